// Part of holdfast.hpp: connections checked out of a pool.
#ifndef HOLDFAST_CONNECTIONS_CONNECTION_HPP
#define HOLDFAST_CONNECTIONS_CONNECTION_HPP

#include <holdfast.h>

#include "../detail/arguments.hpp"
#include "../detail/call.hpp"
#include "../detail/found.hpp"
#include "../detail/limit.hpp"
#include "../detail/native.hpp"
#include "../detail/target.hpp"
#include "../queues/submit_options.hpp"
#include "../results/format.hpp"
#include "../results/outcome.hpp"
#include "../results/result.hpp"
#include "../results/results.hpp"
#include "../statements/copy.hpp"
#include "../statements/pipeline.hpp"
#include "../statements/statement.hpp"
#include "../statements/stream.hpp"
#include "cancel_token.hpp"
#include "notice.hpp"
#include "notification.hpp"
#include "transaction_options.hpp"
#include "transaction_status.hpp"

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string_view>
#include <utility>

namespace holdfast {

/// A view of a connection that another object holds: what std::string_view is to std::string. Functions that use a
/// connection without keeping it take this, by value or by reference, and get a connection as well as that of a
/// transaction.
class connection_ref {
public:
    connection_ref() = default;
    connection_ref(holdfast_connection *it) noexcept : it_(it) {}

    /// Runs one statement. It is prepared at first use and kept with the connection, unless statement_cache is 0.
    template <class... Args>
    result query(std::string_view sql, const Args &...args)
    {
        return query(format::automatic, sql, args...);
    }
    template <class... Args>
    result query(format results, std::string_view sql, const Args &...args)
    {
        const detail::arguments<Args...> given(args...);
        return result(detail::made<holdfast_result>([&](holdfast_result **made, holdfast_error **about) {
            return holdfast_connection_query(it_, sql.data(), sql.size(), given.data(), given.size(),
                                             static_cast<std::int32_t>(results), made, about);
        }));
    }

    /// Sends one statement to the server to parse and describe. Types of parameters, as in pg_type, may be given; 0 is
    /// inferred.
    statement prepare(std::string_view sql, std::initializer_list<std::uint32_t> types = {})
    {
        return statement(detail::made<holdfast_statement>([&](holdfast_statement **made, holdfast_error **about) {
            return holdfast_connection_prepare(it_, sql.data(), sql.size(), types.begin(), types.size(), made, about);
        }));
    }
    /// Runs a prepared statement.
    template <class... Args>
    result execute(const statement &prepared, const Args &...args)
    {
        return execute(format::automatic, prepared, args...);
    }
    template <class... Args>
    result execute(format results, const statement &prepared, const Args &...args)
    {
        const detail::arguments<Args...> given(args...);
        return result(detail::made<holdfast_result>([&](holdfast_result **made, holdfast_error **about) {
            return holdfast_connection_execute(it_, prepared.native(), given.data(), given.size(),
                                               static_cast<std::int32_t>(results), made, about);
        }));
    }

    /// Runs a text of one or more statements without parameters; values come as text. The statements form one transaction
    /// unless the text says otherwise.
    holdfast::results script(std::string_view sql)
    {
        return holdfast::results(detail::made<holdfast_results>([&](holdfast_results **made, holdfast_error **about) {
            return holdfast_connection_script(it_, sql.data(), sql.size(), made, about);
        }));
    }

    /// Runs one statement and reads its rows in portions.
    template <class... Args>
    [[nodiscard]] holdfast::stream stream(std::string_view sql, const Args &...args)
    {
        return stream(format::automatic, sql, args...);
    }
    template <class... Args>
    [[nodiscard]] holdfast::stream stream(format results, std::string_view sql, const Args &...args)
    {
        const detail::arguments<Args...> given(args...);
        return holdfast::stream(detail::made<holdfast_stream>([&](holdfast_stream **made, holdfast_error **about) {
            return holdfast_connection_stream(it_, sql.data(), sql.size(), given.data(), given.size(),
                                              static_cast<std::int32_t>(results), made, about);
        }));
    }

    /// Begins a COPY ... FROM STDIN.
    [[nodiscard]] holdfast::copy_in copy_in(std::string_view sql)
    {
        return holdfast::copy_in(detail::made<holdfast_copy_in>([&](holdfast_copy_in **made, holdfast_error **about) {
            return holdfast_connection_copy_in(it_, sql.data(), sql.size(), made, about);
        }));
    }
    /// Begins a COPY ... TO STDOUT.
    [[nodiscard]] holdfast::copy_out copy_out(std::string_view sql)
    {
        return holdfast::copy_out(detail::made<holdfast_copy_out>([&](holdfast_copy_out **made, holdfast_error **about) {
            return holdfast_connection_copy_out(it_, sql.data(), sql.size(), made, about);
        }));
    }

    /// Runs the statements of a pipeline in one go; what became of each is in the outcomes. Throws if the connection failed,
    /// what became of them being unknown, or if one cannot be sent (status::misuse for wrong parameters), and none was then.
    outcomes run(const pipeline &statements, pipeline_mode mode = pipeline_mode::separate)
    {
        const pipeline::view requests(statements);
        return outcomes(detail::made<holdfast_outcomes>([&](holdfast_outcomes **made, holdfast_error **about) {
            return holdfast_connection_pipeline(it_, requests.data(), requests.size(), static_cast<std::int32_t>(mode),
                                                made, about);
        }));
    }

    /// Begins a transaction by hand; the class transaction ends it by itself, and pool::transaction runs it again.
    void begin(const transaction_options &options = {})
    {
        const auto how = options.native();
        detail::call([&](holdfast_error **about) { return holdfast_connection_begin(it_, &how, about); });
    }
    /// Commits. status::rolled_back if a statement had failed; status::commit_unknown if the answer was lost.
    void commit()
    {
        detail::call([&](holdfast_error **about) { return holdfast_connection_commit(it_, about); });
    }
    /// Rolls back what is open.
    void rollback()
    {
        detail::call([&](holdfast_error **about) { return holdfast_connection_rollback(it_, about); });
    }
    /// Sets a savepoint; the library quotes its name.
    void savepoint(std::string_view name)
    {
        detail::call([&](holdfast_error **about) {
            return holdfast_connection_savepoint(it_, name.data(), name.size(), about);
        });
    }
    /// Undoes what was done since a savepoint, which stays.
    void rollback_to(std::string_view name)
    {
        detail::call([&](holdfast_error **about) {
            return holdfast_connection_rollback_to(it_, name.data(), name.size(), about);
        });
    }
    /// Forgets a savepoint; what was done since then stays.
    void release_savepoint(std::string_view name)
    {
        detail::call([&](holdfast_error **about) {
            return holdfast_connection_release_savepoint(it_, name.data(), name.size(), about);
        });
    }
    /// The transaction status. Any thread.
    holdfast::transaction_status transaction_status() const noexcept
    {
        return static_cast<holdfast::transaction_status>(holdfast_connection_transaction_status(it_));
    }

    /// Limits every statement from now until the connection goes back; nothing lifts the limit.
    void set_deadline(std::optional<std::chrono::milliseconds> limit)
    {
        detail::call([&](holdfast_error **about) {
            return holdfast_connection_set_deadline(it_, detail::limit(limit), about);
        });
    }

    /// The next notification, or nothing if none comes within that time; 0 takes only what is there already.
    std::optional<holdfast::notification> notification(std::chrono::milliseconds timeout)
    {
        auto *it = detail::made<holdfast_notification>([&](holdfast_notification **made, holdfast_error **about) {
            return holdfast_connection_notification(it_, detail::wait(timeout), made, about);
        });
        return it != nullptr ? std::optional<holdfast::notification>(it) : std::nullopt;
    }
    /// The notices of the server since the last call.
    holdfast::notices notices()
    {
        return holdfast::notices(detail::made<holdfast_notices>([&](holdfast_notices **made, holdfast_error **about) {
            return holdfast_connection_notices(it_, made, about);
        }));
    }
    /// The number of notifications and notices of this checkout that were dropped because they were not taken: of each kind the
    /// last 10,000 are kept, and at most half a megabyte.
    std::uint64_t dropped_messages()
    {
        std::uint64_t count = 0;
        detail::call([&](holdfast_error **about) { return holdfast_connection_dropped_messages(it_, &count, about); });
        return count;
    }
    /// Asks the server whether it answers, by an empty statement. Blocks as a query does.
    void ping()
    {
        detail::call([&](holdfast_error **about) { return holdfast_connection_ping(it_, about); });
    }
    /// With which any thread can cancel what this connection is doing. Any thread.
    holdfast::cancel_token cancel_token() const
    {
        return holdfast::cancel_token(detail::made<holdfast_cancel>(
            [&](holdfast_cancel **made, holdfast_error **about) { return holdfast_cancel_new(it_, made, about); }));
    }

    /// Submits one statement for this connection. What is submitted to a connection runs in that order, and until all of it
    /// is done other calls on it throw status::busy. A std::future<result>, or nothing if `to` is queue.then(...).
    template <class T = result, class Target, class... Args, detail::if_target<Target> = 0>
    auto submit(Target &&to, std::string_view sql, const Args &...args)
    {
        return submit<T>(std::forward<Target>(to), submit_options(), sql, args...);
    }
    template <class T = result, class Target, class... Args, detail::if_target<Target> = 0>
    auto submit(Target &&to, const submit_options &options, std::string_view sql, const Args &...args)
    {
        const detail::arguments<Args...> given(args...);
        const auto how = options.native_as<T>();
        return detail::deliver<T>(
            std::forward<Target>(to), [&](const holdfast_queue *queue, std::uint64_t tag, holdfast_error **about) {
                return holdfast_submit_connection_query(it_, queue, tag, &how, sql.data(), sql.size(), given.data(),
                                                        given.size(), options.request, about);
            });
    }
    /// The same of a prepared statement.
    template <class T = result, class Target, class... Args, detail::if_target<Target> = 0>
    auto submit_execute(Target &&to, const statement &prepared, const Args &...args)
    {
        return submit_execute<T>(std::forward<Target>(to), submit_options(), prepared, args...);
    }
    template <class T = result, class Target, class... Args, detail::if_target<Target> = 0>
    auto submit_execute(Target &&to, const submit_options &options, const statement &prepared, const Args &...args)
    {
        const detail::arguments<Args...> given(args...);
        const auto how = options.native_as<T>();
        return detail::deliver<T>(
            std::forward<Target>(to), [&](const holdfast_queue *queue, std::uint64_t tag, holdfast_error **about) {
                return holdfast_submit_connection_execute(it_, queue, tag, &how, prepared.native(), given.data(),
                                                          given.size(), options.request, about);
            });
    }
    /// Submits the statements of a pipeline for this connection. A std::future<outcomes>, or nothing if `to` is
    /// queue.then(...).
    template <class Target, detail::if_target<Target> = 0>
    auto submit_run(Target &&to, const pipeline &statements, pipeline_mode mode = pipeline_mode::separate,
                    const submit_options &options = {})
    {
        const pipeline::view requests(statements);
        const auto how = options.native();
        return detail::deliver<outcomes>(
            std::forward<Target>(to), [&](const holdfast_queue *queue, std::uint64_t tag, holdfast_error **about) {
                return holdfast_submit_connection_pipeline(it_, queue, tag, &how, requests.data(), requests.size(),
                                                           static_cast<std::int32_t>(mode), options.request, about);
            });
    }
    /// The same in parts, as pool::submit_run_in_parts does it.
    template <class Target, class Function, detail::if_target<Target> = 0>
    auto submit_run_in_parts(Target &&to, const pipeline &statements, Function &&on_outcome,
                             pipeline_mode mode = pipeline_mode::separate, const submit_options &options = {})
    {
        return detail::deliver_parts(std::forward<Target>(to), statements, std::forward<Function>(on_outcome), mode, options,
                                     [&](auto... rest) { return holdfast_submit_connection_pipeline(it_, rest...); });
    }
    /// Submits the beginning of a transaction on this connection. A std::future<void>, or nothing if `to` is queue.then(...).
    template <class Target, detail::if_target<Target> = 0>
    auto submit_begin(Target &&to, const transaction_options &wanted = {}, const submit_options &options = {})
    {
        const auto what = wanted.native();
        const auto how = options.native();
        return detail::deliver<void>(
            std::forward<Target>(to), [&](const holdfast_queue *queue, std::uint64_t tag, holdfast_error **about) {
                return holdfast_submit_connection_begin(it_, queue, tag, &how, &what, options.request, about);
            });
    }
    /// Submits the commit of the open transaction, which ends as commit() does.
    template <class Target, detail::if_target<Target> = 0>
    auto submit_commit(Target &&to, const submit_options &options = {})
    {
        const auto how = options.native();
        return detail::deliver<void>(
            std::forward<Target>(to), [&](const holdfast_queue *queue, std::uint64_t tag, holdfast_error **about) {
                return holdfast_submit_connection_commit(it_, queue, tag, &how, options.request, about);
            });
    }
    /// Submits the rollback of what is open.
    template <class Target, detail::if_target<Target> = 0>
    auto submit_rollback(Target &&to, const submit_options &options = {})
    {
        const auto how = options.native();
        return detail::deliver<void>(
            std::forward<Target>(to), [&](const holdfast_queue *queue, std::uint64_t tag, holdfast_error **about) {
                return holdfast_submit_connection_rollback(it_, queue, tag, &how, options.request, about);
            });
    }
    /// Submits a script for this connection. A std::future<results>, or nothing if `to` is queue.then(...).
    template <class Target, detail::if_target<Target> = 0>
    auto submit_script(Target &&to, std::string_view sql, const submit_options &options = {})
    {
        const auto how = options.native();
        return detail::deliver<holdfast::results>(
            std::forward<Target>(to), [&](const holdfast_queue *queue, std::uint64_t tag, holdfast_error **about) {
                return holdfast_submit_connection_script(it_, queue, tag, &how, sql.data(), sql.size(), options.request,
                                                         about);
            });
    }

    /// Submits a statement whose rows are read in portions, by stream::submit_next. A std::future<stream>, or nothing if `to` is
    /// queue.then(...).
    template <class Target, class... Args, detail::if_target<Target> = 0>
    auto submit_stream(Target &&to, std::string_view sql, const Args &...args)
    {
        return submit_stream(std::forward<Target>(to), submit_options(), sql, args...);
    }
    template <class Target, class... Args, detail::if_target<Target> = 0>
    auto submit_stream(Target &&to, const submit_options &options, std::string_view sql, const Args &...args)
    {
        const detail::arguments<Args...> given(args...);
        const auto how = options.native();
        return detail::deliver<holdfast::stream>(
            std::forward<Target>(to), [&](const holdfast_queue *queue, std::uint64_t tag, holdfast_error **about) {
                return holdfast_submit_connection_stream(it_, queue, tag, &how, sql.data(), sql.size(), given.data(),
                                                         given.size(), options.request, about);
            });
    }
    /// Submits the beginning of a COPY ... FROM STDIN. A std::future<copy_in>, or nothing if `to` is queue.then(...).
    template <class Target, detail::if_target<Target> = 0>
    auto submit_copy_in(Target &&to, std::string_view sql, const submit_options &options = {})
    {
        const auto how = options.native();
        return detail::deliver<holdfast::copy_in>(
            std::forward<Target>(to), [&](const holdfast_queue *queue, std::uint64_t tag, holdfast_error **about) {
                return holdfast_submit_connection_copy_in(it_, queue, tag, &how, sql.data(), sql.size(), options.request,
                                                          about);
            });
    }
    /// Submits the beginning of a COPY ... TO STDOUT. A std::future<copy_out>, or nothing if `to` is queue.then(...).
    template <class Target, detail::if_target<Target> = 0>
    auto submit_copy_out(Target &&to, std::string_view sql, const submit_options &options = {})
    {
        const auto how = options.native();
        return detail::deliver<holdfast::copy_out>(
            std::forward<Target>(to), [&](const holdfast_queue *queue, std::uint64_t tag, holdfast_error **about) {
                return holdfast_submit_connection_copy_out(it_, queue, tag, &how, sql.data(), sql.size(),
                                                           options.request, about);
            });
    }
    /// Submits the preparation of a statement. A std::future<statement>, or nothing if `to` is queue.then(...).
    template <class Target, detail::if_target<Target> = 0>
    auto submit_prepare(Target &&to, std::string_view sql, std::initializer_list<std::uint32_t> types = {},
                        const submit_options &options = {})
    {
        const auto how = options.native();
        return detail::deliver<statement>(
            std::forward<Target>(to), [&](const holdfast_queue *queue, std::uint64_t tag, holdfast_error **about) {
                return holdfast_submit_connection_prepare(it_, queue, tag, &how, sql.data(), sql.size(), types.begin(),
                                                          types.size(), options.request, about);
            });
    }
    /// Submits a savepoint. A std::future<void>, or nothing if `to` is queue.then(...), as of the next two.
    template <class Target, detail::if_target<Target> = 0>
    auto submit_savepoint(Target &&to, std::string_view name, const submit_options &options = {})
    {
        const auto how = options.native();
        return detail::deliver<void>(
            std::forward<Target>(to), [&](const holdfast_queue *queue, std::uint64_t tag, holdfast_error **about) {
                return holdfast_submit_connection_savepoint(it_, queue, tag, &how, name.data(), name.size(), options.request,
                                                          about);
            });
    }
    /// Submits the undoing of what was done since a savepoint, which stays.
    template <class Target, detail::if_target<Target> = 0>
    auto submit_rollback_to(Target &&to, std::string_view name, const submit_options &options = {})
    {
        const auto how = options.native();
        return detail::deliver<void>(
            std::forward<Target>(to), [&](const holdfast_queue *queue, std::uint64_t tag, holdfast_error **about) {
                return holdfast_submit_connection_rollback_to(it_, queue, tag, &how, name.data(), name.size(), options.request,
                                                          about);
            });
    }
    /// Submits the release of a savepoint.
    template <class Target, detail::if_target<Target> = 0>
    auto submit_release_savepoint(Target &&to, std::string_view name, const submit_options &options = {})
    {
        const auto how = options.native();
        return detail::deliver<void>(
            std::forward<Target>(to), [&](const holdfast_queue *queue, std::uint64_t tag, holdfast_error **about) {
                return holdfast_submit_connection_release_savepoint(it_, queue, tag, &how, name.data(), name.size(), options.request,
                                                          about);
            });
    }

    /// The server's process id for this session, as in pg_stat_activity. Any thread.
    std::uint32_t backend_pid() const noexcept { return holdfast_connection_backend_pid(it_); }
    /// Its socket, for an event loop to wait for while nothing runs on it: once it is readable, notification(0ms)
    /// returns what has come or throws if the connection is lost; call it until it has nothing more. Not to be read,
    /// written or closed.
    int socket() const noexcept { return holdfast_connection_socket(it_); }
    /// The server it leads to, as host:port or a socket path. Any thread.
    std::string_view target() const noexcept { return detail::view(holdfast_connection_target(it_)); }

    explicit operator bool() const noexcept { return it_ != nullptr; }
    holdfast_connection *native() const noexcept { return it_; }

protected:
    holdfast_connection *it_ = nullptr;
};

/// A connection checked out of a pool, to which it goes back with this object, without waiting for the network. What was left
/// behind is cleaned up before the next caller gets it: an open transaction is rolled back, a result drained.
class connection : public connection_ref {
public:
    connection() = default;
    /// Takes the handle over.
    explicit connection(holdfast_connection *it) noexcept : connection_ref(it) {}
    connection(connection &&other) noexcept : connection_ref(std::exchange(other.it_, nullptr)) {}
    connection &operator=(connection &&other) noexcept
    {
        connection(std::move(other)).swap(*this);
        return *this;
    }
    ~connection() { release(); }

    /// Gives it back now.
    void release() noexcept { holdfast_connection_release(std::exchange(it_, nullptr)); }
    /// Closes it instead; the pool opens another when one is needed.
    void discard() noexcept { holdfast_connection_discard(std::exchange(it_, nullptr)); }

private:
    void swap(connection &other) noexcept { std::swap(it_, other.it_); }
};

namespace detail {

template <>
struct found<connection> {
    static connection in(const holdfast_completion &done) noexcept { return connection(done.connection); }
};

} // namespace detail

} // namespace holdfast

#endif // HOLDFAST_CONNECTIONS_CONNECTION_HPP
