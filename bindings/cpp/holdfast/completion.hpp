// Part of holdfast.hpp: what came of a submitted request.
#ifndef HOLDFAST_COMPLETION_HPP
#define HOLDFAST_COMPLETION_HPP

#include "error.hpp"

#include <chrono>
#include <memory>
#include <utility>

namespace holdfast {

/// What came of a submitted request.
template <class T>
class completion {
public:
    completion(T value, std::chrono::microseconds queued, std::chrono::microseconds running) noexcept
        : value_(std::move(value)), queued_(queued), running_(running)
    {
    }
    completion(std::shared_ptr<const holdfast::error> failure, std::chrono::microseconds queued,
               std::chrono::microseconds running) noexcept
        : error_(std::move(failure)), queued_(queued), running_(running)
    {
    }

    bool ok() const noexcept { return error_ == nullptr; }
    explicit operator bool() const noexcept { return ok(); }
    /// What the request was for, once; throws the error if it failed.
    T get()
    {
        if (error_) {
            throw holdfast::error(*error_);
        }
        return std::move(value_);
    }
    /// What went wrong, or nullptr. Belongs to the completion.
    const holdfast::error *error() const noexcept { return error_.get(); }
    /// How long it waited for its turn and a connection.
    std::chrono::microseconds queued() const noexcept { return queued_; }
    /// How long it ran.
    std::chrono::microseconds running() const noexcept { return running_; }

private:
    T value_;
    std::shared_ptr<const holdfast::error> error_;
    std::chrono::microseconds queued_, running_;
};

} // namespace holdfast

#endif // HOLDFAST_COMPLETION_HPP
