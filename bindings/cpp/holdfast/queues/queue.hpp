// Part of holdfast.hpp: submitting and completing.
//
// For threads that must not wait. submit hands a request over and returns at once; threads of the pool do it. What comes of
// it arrives in one of two ways:
//
//     holdfast::queue queue;
//     std::future<holdfast::result> future = pool.submit(queue, "select count(*) from item");
//     ...
//     auto count = future.get().one().as<std::int64_t>();        // or throws what went wrong
//
//     pool.submit(queue.then([](holdfast::completion<holdfast::result> done) { ... done.get() ... }), "select ...");
//
// Futures become ready by themselves: the thread of the pool that did the request sets them, and no pumping is needed.
// Event loops make the queue with `pumped`, wait for its fd() with all their others, and call pump(), which runs the
// functions given to then() and sets the futures, on the thread that calls it.

#ifndef HOLDFAST_QUEUES_QUEUE_HPP
#define HOLDFAST_QUEUES_QUEUE_HPP

#include <holdfast.h>

#include "../detail/call.hpp"
#include "../detail/queues/ending.hpp"
#include "../detail/handle.hpp"
#include "../detail/limit.hpp"
#include "../detail/queues/mailbox.hpp"
#include "../detail/native.hpp"
#include "../library/error.hpp"
#include "../library/status.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <future>
#include <memory>
#include <type_traits>
#include <utility>

namespace holdfast {

/// The options of a queue.
struct queue_options {
    /// The most requests that may be accepted and not yet completed; 0 for 1024.
    std::uint32_t capacity = 0;
    /// True if the program calls pump(). If not, requests are completed on threads of the library.
    bool pumped = false;
};

/// A queue on which submitted requests are completed. Any thread may submit to it and pump it. One queue may serve any
/// number of pools. Requests that are not completed when it goes are dropped, or their results are: their futures have
/// a broken promise, and their functions are not called. It does not wait for them.
class queue {
public:
    explicit queue(const queue_options &options = {})
    {
        auto how = detail::sized<holdfast_queue_options>();
        how.capacity = options.capacity;
        detail::owned<holdfast_queue, holdfast_queue_free> it(detail::made<holdfast_queue>(
            [&](holdfast_queue **made, holdfast_error **about) { return holdfast_queue_new(&how, made, about); }));
        mailbox_ = std::make_shared<detail::mailbox>(it.get());
        it.release();
        if (!options.pumped) {
            auto kept = std::make_unique<std::shared_ptr<detail::mailbox>>(mailbox_);
            detail::call([&](holdfast_error **about) {
                return holdfast_queue_on_ready(native(), ready, kept.get(), forget, about);
            });
            kept.release();
        }
    }
    queue(queue &&) = default;
    queue &operator=(queue &&other) noexcept
    {
        queue(std::move(other)).mailbox_.swap(mailbox_);
        return *this;
    }
    ~queue()
    {
        if (mailbox_) {
            mailbox_->close();
        }
    }

    /// In place of the queue, has a request end in a call of `function`, which takes a completion<T>: completion<result> of
    /// a query, and so on. It is called once, by pump(); or, on a queue that is not pumped, on a thread of the library, where
    /// it should be quick and what would block throws an error with status::reentrant. An exception that leaves it ends the
    /// program, as one that leaves a std::thread does.
    template <class Function>
    struct continuation {
        queue &to;
        Function function;
    };
    template <class Function>
    continuation<std::decay_t<Function>> then(Function &&function)
    {
        return {*this, std::forward<Function>(function)};
    }

    /// Completes what there is to complete, on this thread, and returns how many requests that were. Never blocks.
    std::size_t pump() const noexcept
    {
        // A function that is called may let go of the queue.
        const auto kept = mailbox_;
        return kept ? kept->pump() : 0;
    }
    /// Waits until there is something to pump; false if there is nothing within that time.
    bool wait(std::chrono::milliseconds timeout) const noexcept
    {
        return holdfast_queue_wait(native(), detail::wait(timeout));
    }
    /// A descriptor that is readable while there is something to pump, for poll, epoll and the like. Belongs to the queue.
    int fd() const noexcept { return holdfast_queue_fd(native()); }
    /// The number of requests not completed.
    std::size_t pending() const noexcept { return holdfast_queue_pending(native()); }
    /// Cancels a request, of which submit_options::request got the number. It is completed all the same, mostly with
    /// status::canceled.
    void cancel(std::uint64_t request) const
    {
        detail::call([&](holdfast_error **about) { return holdfast_request_cancel(native(), request, about); });
    }

    /// For a host that is about to end: no thread of the library completes a request any more, and none does so now. What is not
    /// completed then stays so unless pump() is called. status::busy if a function given to then() is under way for longer than
    /// `timeout`: it is the last.
    void silence(std::chrono::milliseconds timeout) const
    {
        detail::call([&](holdfast_error **about) {
            return holdfast_queue_silence(native(), static_cast<std::uint64_t>(detail::wait(timeout)), about);
        });
    }

    const holdfast_queue *native() const noexcept { return mailbox_ ? mailbox_->native() : nullptr; }

    /// Submits any request; `submit` takes the queue, the tag and the place for an error.
    template <class T, class Submit>
    std::future<T> deliver(const Submit &submit)
    {
        return deliver_as(std::make_unique<detail::promised<T>>(), submit);
    }
    /// The same for a request that knows by itself what its future gets.
    template <class Awaited, class Submit>
    auto deliver_as(std::unique_ptr<Awaited> it, const Submit &submit)
    {
        auto future = it->future();
        hand_over(std::move(it), submit);
        return future;
    }
    template <class T, class Function, class Submit>
    void deliver_to(Function &&function, const Submit &submit)
    {
        hand_over(std::make_unique<detail::continued<T, std::decay_t<Function>>>(std::forward<Function>(function)),
                  submit);
    }

    /// Submits what is completed as `it` says.
    template <class Submit>
    void hand_over(std::unique_ptr<detail::awaited> it, const Submit &submit)
    {
        if (!mailbox_) {
            throw error(status::null, "the queue is empty: it was moved from");
        }
        detail::awaited *expected = it.release();
        mailbox_->expect(expected);
        holdfast_error *about = nullptr;
        const auto tag = static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(expected));
        if (const holdfast_status status = submit(native(), tag, &about); status != HOLDFAST_STATUS_OK) {
            mailbox_->forget(expected);
            detail::raise(status, about);
        }
    }

private:
    // Called by the library.
    static void ready(void *user_data) noexcept { (*static_cast<std::shared_ptr<detail::mailbox> *>(user_data))->pump(); }
    static void forget(void *user_data) noexcept { delete static_cast<std::shared_ptr<detail::mailbox> *>(user_data); }

    std::shared_ptr<detail::mailbox> mailbox_;
};

} // namespace holdfast

#endif // HOLDFAST_QUEUES_QUEUE_HPP
