// Part of holdfast.hpp: a request that is completed in parts.
#ifndef HOLDFAST_DETAIL_QUEUES_PARTS_HPP
#define HOLDFAST_DETAIL_QUEUES_PARTS_HPP

#include <holdfast.h>

#include "../../library/error.hpp"
#include "../../queues/completion.hpp"
#include "../../results/result.hpp"
#include "awaited.hpp"
#include "ending.hpp"
#include "../handle.hpp"
#include "../native.hpp"

#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace holdfast::detail {

/// The completions of one request in their order. Several threads may pump; one at a time handles them.
class parts {
public:
    /// There are at most so many completions, so that none allocates later.
    explicit parts(std::size_t most) { all_.reserve(most); }
    parts(const parts &) = delete;
    parts &operator=(const parts &) = delete;
    virtual ~parts()
    {
        for (; next_ < all_.size(); next_++) {
            holdfast_result_free(all_[next_].result);
            holdfast_error_free(all_[next_].error);
            holdfast_notices_free(all_[next_].notices);
        }
    }

    void put(const holdfast_completion &done) noexcept
    {
        const std::lock_guard<std::mutex> hold(lock_);
        all_.push_back(done);
    }
    /// Handles what was put, unless another thread is at it, or this one further out: then that one does.
    void handle_all() noexcept
    {
        std::unique_lock<std::mutex> hold(lock_);
        if (std::exchange(is_handled_, true)) {
            return;
        }
        while (next_ < all_.size()) {
            const holdfast_completion done = all_[next_++];
            hold.unlock();
            handle(done);
            hold.lock();
        }
        is_handled_ = false;
    }

private:
    /// Takes over what the completion holds.
    virtual void handle(const holdfast_completion &done) noexcept = 0;

    std::mutex lock_;
    std::vector<holdfast_completion> all_;
    std::size_t next_ = 0;
    bool is_handled_ = false;
};

/// Parts of which each goes to a function, and the last completion to `Ending`, an awaited request.
template <class Function, class Ending>
class outcomes_apart final : public parts {
public:
    outcomes_apart(std::size_t statements, Function function, std::unique_ptr<Ending> ending)
        : parts(statements + 1), function_(std::move(function)), ending_(std::move(ending))
    {
    }

private:
    void handle(const holdfast_completion &done) noexcept override
    {
        if (done.more == 0) {
            ending_->complete(done);
        } else {
            function_(static_cast<std::size_t>(done.index), completed<result>(done));
        }
    }

    Function function_;
    std::unique_ptr<Ending> ending_;
};

/// What waits for the completions of a request in parts.
class awaited_in_parts final : public awaited {
public:
    explicit awaited_in_parts(std::shared_ptr<parts> to) noexcept : to_(std::move(to)) {}

    std::shared_ptr<parts> take_part(const holdfast_completion &done) noexcept override
    {
        to_->put(done);
        return to_;
    }
    void complete(const holdfast_completion &done) noexcept override
    {
        to_->put(done);
        to_->handle_all();
    }

private:
    std::shared_ptr<parts> to_;
};

} // namespace holdfast::detail

#endif // HOLDFAST_DETAIL_QUEUES_PARTS_HPP
