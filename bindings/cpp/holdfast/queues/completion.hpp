// Part of holdfast.hpp: what came of a submitted request.
#ifndef HOLDFAST_QUEUES_COMPLETION_HPP
#define HOLDFAST_QUEUES_COMPLETION_HPP

#include "../connections/notice.hpp"
#include "../library/error.hpp"

#include <chrono>
#include <memory>
#include <type_traits>
#include <utility>

namespace holdfast {

namespace detail {

/// Stands where there is no value.
struct nothing {};

template <class T>
using something = std::conditional_t<std::is_void_v<T>, nothing, T>;

} // namespace detail

/// The completion of a submitted request.
template <class T>
class completion {
public:
    completion(detail::something<T> value, holdfast::notices remarks, std::chrono::microseconds queued,
               std::chrono::microseconds running) noexcept
        : value_(std::move(value)), notices_(std::move(remarks)), queued_(queued), running_(running)
    {
    }
    completion(std::shared_ptr<const holdfast::error> failure, holdfast::notices remarks,
               std::chrono::microseconds queued, std::chrono::microseconds running) noexcept
        : error_(std::move(failure)), notices_(std::move(remarks)), queued_(queued), running_(running)
    {
    }

    bool ok() const noexcept { return error_ == nullptr; }
    explicit operator bool() const noexcept { return ok(); }
    /// Returns the result of the request, once; throws the error if it failed.
    T get()
    {
        if (error_) {
            throw holdfast::error(*error_);
        }
        if constexpr (!std::is_void_v<T>) {
            return std::move(value_);
        }
    }
    /// The error, or nullptr. Belongs to the completion.
    const holdfast::error *error() const noexcept { return error_.get(); }
    /// What the server remarked meanwhile, if submit_options::notices asked for that. Belongs to the completion.
    const holdfast::notices &notices() const noexcept { return notices_; }
    /// The time it waited for its turn and a connection.
    std::chrono::microseconds queued() const noexcept { return queued_; }
    /// The time it ran.
    std::chrono::microseconds running() const noexcept { return running_; }

private:
    detail::something<T> value_;
    std::shared_ptr<const holdfast::error> error_;
    holdfast::notices notices_;
    std::chrono::microseconds queued_, running_;
};

} // namespace holdfast

#endif // HOLDFAST_QUEUES_COMPLETION_HPP
