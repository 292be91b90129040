// Part of holdfast.hpp: where a request ends: in a future or in a function.
#ifndef HOLDFAST_DETAIL_QUEUES_ENDING_HPP
#define HOLDFAST_DETAIL_QUEUES_ENDING_HPP

#include <holdfast.h>

#include "../../library/error.hpp"
#include "../../queues/completion.hpp"
#include "awaited.hpp"
#include "../call.hpp"
#include "../found.hpp"
#include "../handle.hpp"
#include "../native.hpp"

#include <exception>
#include <future>
#include <memory>
#include <type_traits>
#include <utility>

namespace holdfast::detail {

/// The completion that a function gets, which takes over what the library's holds.
template <class T>
completion<T> completed(const holdfast_completion &done)
{
    const auto queued = microseconds(done.queued_us), running = microseconds(done.running_us);
    notices remarks(done.notices);
    if (done.status != HOLDFAST_STATUS_OK) {
        owned<holdfast_error, holdfast_error_free> about(done.error);
        auto failure = std::make_shared<const error>(done.status, std::move(about));
        return completion<T>(std::move(failure), std::move(remarks), queued, running);
    }
    return completion<T>(found<T>::in(done), std::move(remarks), queued, running);
}

template <class T>
class promised final : public awaited {
public:
    std::future<T> future() { return promise_.get_future(); }

    void complete(const holdfast_completion &done) noexcept override
    {
        // A future has no place for them.
        const notices remarks(done.notices);
        try {
            if (done.status != HOLDFAST_STATUS_OK) {
                raise(done.status, done.error);
            }
            if constexpr (std::is_void_v<T>) {
                promise_.set_value();
            } else {
                promise_.set_value(found<T>::in(done));
            }
        } catch (...) {
            promise_.set_exception(std::current_exception());
        }
    }

private:
    std::promise<T> promise_;
};

template <class T, class Function>
class continued final : public awaited {
public:
    explicit continued(Function function) : function_(std::move(function)) {}

    // noexcept: there is no caller to throw to.
    void complete(const holdfast_completion &done) noexcept override { function_(completed<T>(done)); }

private:
    Function function_;
};

} // namespace holdfast::detail

#endif // HOLDFAST_DETAIL_QUEUES_ENDING_HPP
