// Part of holdfast.hpp: what a queue shares with those who submit.
#ifndef HOLDFAST_DETAIL_QUEUES_MAILBOX_HPP
#define HOLDFAST_DETAIL_QUEUES_MAILBOX_HPP

#include <holdfast.h>

#include "awaited.hpp"
#include "parts.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

namespace holdfast::detail {

/// What a queue, its callback and those who submit share.
class mailbox {
public:
    explicit mailbox(holdfast_queue *queue) noexcept : queue_(queue) {}
    mailbox(const mailbox &) = delete;
    mailbox &operator=(const mailbox &) = delete;

    ~mailbox() { close(); }

    /// After this nothing is completed any more. What still waits is let go: its futures have a broken promise.
    void close() noexcept
    {
        holdfast_queue *queue;
        awaited *left;
        {
            const std::lock_guard<std::mutex> hold(lock_);
            queue = std::exchange(queue_, nullptr);
            left = std::exchange(first_, nullptr);
        }
        holdfast_queue_free(queue);
        while (left != nullptr) {
            const std::unique_ptr<awaited> gone(std::exchange(left, left->after_));
        }
    }

    /// Before it is submitted, since it may be completed before that returns.
    void expect(awaited *it) noexcept
    {
        const std::lock_guard<std::mutex> hold(lock_);
        it->after_ = first_;
        if (first_ != nullptr) {
            first_->before_ = it;
        }
        first_ = it;
    }

    /// What was expected, and is not any more.
    std::unique_ptr<awaited> forget(awaited *it) noexcept
    {
        const std::lock_guard<std::mutex> hold(lock_);
        return unlink(it);
    }

    /// Completes what there is to complete, on this thread. Several threads may be at it.
    std::size_t pump() noexcept
    {
        constexpr std::size_t most = 64;
        holdfast_completion done[most];
        std::unique_ptr<awaited> theirs[most];
        std::shared_ptr<parts> in_parts[most];
        std::size_t total = 0, count = most;
        while (count == most) {
            {
                // The queue is not freed meanwhile.
                const std::lock_guard<std::mutex> hold(lock_);
                count = queue_ != nullptr ? holdfast_queue_drain(queue_, done, most, sizeof *done) : 0;
                for (std::size_t i = 0; i < count; i++) {
                    auto *it = reinterpret_cast<awaited *>(static_cast<std::uintptr_t>(done[i].tag));
                    if (done[i].more != 0) {
                        in_parts[i] = it->take_part(done[i]);
                    } else {
                        theirs[i] = unlink(it);
                    }
                }
            }
            for (std::size_t i = 0; i < count; i++) {
                if (theirs[i] != nullptr) {
                    theirs[i]->complete(done[i]);
                    theirs[i].reset();
                } else {
                    in_parts[i]->handle_all();
                    in_parts[i].reset();
                }
            }
            total += count;
        }
        return total;
    }

    holdfast_queue *native() const noexcept { return queue_; }

private:
    std::unique_ptr<awaited> unlink(awaited *it) noexcept
    {
        (it->before_ != nullptr ? it->before_->after_ : first_) = it->after_;
        if (it->after_ != nullptr) {
            it->after_->before_ = it->before_;
        }
        return std::unique_ptr<awaited>(it);
    }

    std::mutex lock_;
    holdfast_queue *queue_;
    awaited *first_ = nullptr;
};

} // namespace holdfast::detail

#endif // HOLDFAST_DETAIL_QUEUES_MAILBOX_HPP
