// Part of holdfast.hpp: the body of a transaction, as the library calls it.
#ifndef HOLDFAST_DETAIL_TRANSACTION_RUN_HPP
#define HOLDFAST_DETAIL_TRANSACTION_RUN_HPP

#include <holdfast.h>

#include "../connections/connection.hpp"
#include "../library/error.hpp"
#include "../queues/completion.hpp"
#include "queues/awaited.hpp"
#include "handle.hpp"

#include <exception>
#include <future>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace holdfast::detail {

/// What a body returns.
template <class Body>
using returned_by = std::invoke_result_t<Body &, connection_ref &>;

/// The runs of a body, and what it returned or threw last. `Body` is a reference, or the body itself.
template <class Body>
class transaction_run {
public:
    using returned = returned_by<Body>;
    static_assert(!std::is_reference_v<returned>, "holdfast: a transaction returns by value; give its lambda -> auto");

    explicit transaction_run(Body &&body) : body_(std::forward<Body>(body)) {}

    // Called by the library, through which no exception may pass.
    static holdfast_status call(void *user_data, holdfast_connection *connection, holdfast_error **) noexcept
    {
        return static_cast<transaction_run *>(user_data)->once(connection);
    }

    holdfast_status once(holdfast_connection *connection) noexcept
    {
        value_.reset();
        thrown_ = nullptr;
        try {
            connection_ref checked_out(connection);
            if constexpr (std::is_void_v<returned>) {
                body_(checked_out);
            } else {
                value_.emplace(body_(checked_out));
            }
            return HOLDFAST_STATUS_OK;
        } catch (...) {
            thrown_ = std::current_exception();
            return HOLDFAST_STATUS_ROLLED_BACK;
        }
    }

    /// What the whole came to. Takes the error over.
    returned end(holdfast_status status, holdfast_error *about)
    {
        owned<holdfast_error, holdfast_error_free> failure(about);
        if (status == HOLDFAST_STATUS_ROLLED_BACK && thrown_) {
            std::rethrow_exception(thrown_);
        }
        if (status != HOLDFAST_STATUS_OK) {
            throw error(status, std::move(failure));
        }
        if constexpr (!std::is_void_v<returned>) {
            return std::move(*value_);
        }
    }

private:
    Body body_;
    std::optional<something<returned>> value_;
    std::exception_ptr thrown_;
};

/// A transaction that was submitted. The library has a share in its run, which it may be calling when the queue goes.
template <class Body>
class transacted final : public awaited {
public:
    using run = transaction_run<Body>;

    explicit transacted(std::shared_ptr<run> it) noexcept : run_(std::move(it)) {}

    std::future<typename run::returned> future() { return promise_.get_future(); }

    void complete(const holdfast_completion &done) noexcept override
    {
        try {
            if constexpr (std::is_void_v<typename run::returned>) {
                run_->end(done.status, done.error);
                promise_.set_value();
            } else {
                promise_.set_value(run_->end(done.status, done.error));
            }
        } catch (...) {
            promise_.set_exception(std::current_exception());
        }
    }

    // Called by the library.
    static holdfast_status call(void *user_data, holdfast_connection *connection, holdfast_error **) noexcept
    {
        return (*static_cast<std::shared_ptr<run> *>(user_data))->once(connection);
    }
    static void forget(void *user_data) noexcept { delete static_cast<std::shared_ptr<run> *>(user_data); }

private:
    std::shared_ptr<run> run_;
    std::promise<typename run::returned> promise_;
};

} // namespace holdfast::detail

#endif // HOLDFAST_DETAIL_TRANSACTION_RUN_HPP
