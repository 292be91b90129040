// Part of holdfast.hpp: pools.
#ifndef HOLDFAST_POOLS_POOL_HPP
#define HOLDFAST_POOLS_POOL_HPP

#include <holdfast.h>

#include "../connections/connection.hpp"
#include "../connections/transaction_options.hpp"
#include "../detail/arguments.hpp"
#include "../detail/call.hpp"
#include "../detail/handle.hpp"
#include "../detail/limit.hpp"
#include "../detail/native.hpp"
#include "../detail/target.hpp"
#include "../detail/text.hpp"
#include "../detail/transaction_run.hpp"
#include "../queues/queue.hpp"
#include "../queues/submit_options.hpp"
#include "../results/outcome.hpp"
#include "../results/result.hpp"
#include "../results/results.hpp"
#include "../statements/pipeline.hpp"
#include "../statements/query_options.hpp"
#include "../statements/statement.hpp"
#include "acquire_options.hpp"
#include "config.hpp"
#include "health.hpp"
#include "metrics_format.hpp"
#include "serve_options.hpp"
#include "server.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace holdfast {

/// The metrics of a pool; its fields are explained in holdfast.h.
using stats = ::holdfast_stats;

/// The name of what keeps stats::limit below stats::max_size, in snake case: "nothing", "server" and so on.
inline std::string_view limited_by_name(const stats &of) noexcept
{
    return detail::view(holdfast_limited_by_name(of.limited_by));
}

/// The name of the state of the circuit, in snake case: "closed", "probing" and so on.
inline std::string_view circuit_name(const stats &of) noexcept
{
    return detail::view(holdfast_circuit_name(of.circuit));
}
/// The report of closing a pool; its fields are explained in holdfast.h.
using close_report = ::holdfast_close_report;

/// A pool of connections to one PostgreSQL target. Opening one opens no connection. Any thread, at any time. When the
/// last handle goes, idle connections are closed at once, connections in use when they come back.
class pool {
public:
    pool() = default;
    /// Takes the handle over.
    explicit pool(holdfast_pool *it) noexcept : it_(it) {}
    /// Opens one as configured.
    explicit pool(const config &how)
        : it_(detail::made<holdfast_pool>([&](holdfast_pool **made, holdfast_error **about) {
              return holdfast_pool_open(how.native(), made, about);
          }))
    {
    }
    /// Opens one from a connection string.
    explicit pool(std::string_view url)
        : it_(detail::made<holdfast_pool>([&](holdfast_pool **made, holdfast_error **about) {
              return holdfast_pool_open_url(url.data(), url.size(), made, about);
          }))
    {
    }
    /// Makes a pool that needs no server and answers every statement with its parameters: to try a program, or measure
    /// calls.
    static pool echo()
    {
        return pool(detail::made<holdfast_pool>([&](holdfast_pool **made, holdfast_error **about) {
            return holdfast_pool_open_echo(nullptr, made, about);
        }));
    }
    static pool echo(const config &how)
    {
        return pool(detail::made<holdfast_pool>([&](holdfast_pool **made, holdfast_error **about) {
            return holdfast_pool_open_echo(how.native(), made, about);
        }));
    }

    /// Checks out a connection. Blocks until one is idle or a new one is open.
    [[nodiscard]] connection acquire(const acquire_options &options = {}) const
    {
        const auto how = options.native();
        return connection(detail::made<holdfast_connection>([&](holdfast_connection **made, holdfast_error **about) {
            return holdfast_pool_acquire(it_.get(), &how, made, about);
        }));
    }
    /// Checks out an idle connection if one is free now.
    [[nodiscard]] std::optional<connection> try_acquire() const
    {
        auto *it = detail::made<holdfast_connection>([&](holdfast_connection **made, holdfast_error **about) {
            return holdfast_pool_try_acquire(it_.get(), made, about);
        });
        return it != nullptr ? std::optional<connection>(it) : std::nullopt;
    }

    /// Checks out a connection, runs one statement, and gives it back.
    template <class... Args>
    result query(std::string_view sql, const Args &...args) const
    {
        return query(query_options(), sql, args...);
    }
    template <class... Args>
    result query(const query_options &options, std::string_view sql, const Args &...args) const
    {
        const detail::arguments<Args...> given(args...);
        const auto how = options.native();
        return result(detail::made<holdfast_result>([&](holdfast_result **made, holdfast_error **about) {
            return holdfast_pool_query(it_.get(), &how, sql.data(), sql.size(), given.data(), given.size(),
                                       static_cast<std::int32_t>(options.results), made, about);
        }));
    }
    /// The same of a prepared statement.
    template <class... Args>
    result execute(const statement &prepared, const Args &...args) const
    {
        return execute(query_options(), prepared, args...);
    }
    template <class... Args>
    result execute(const query_options &options, const statement &prepared, const Args &...args) const
    {
        const detail::arguments<Args...> given(args...);
        const auto how = options.native();
        return result(detail::made<holdfast_result>([&](holdfast_result **made, holdfast_error **about) {
            return holdfast_pool_execute(it_.get(), &how, prepared.native(), given.data(), given.size(),
                                         static_cast<std::int32_t>(options.results), made, about);
        }));
    }

    /// Checks out a connection, calls body(connection_ref &) in a transaction on this thread, commits, and returns what the body
    /// returned.
    ///
    ///     auto left = pool.transaction([&](holdfast::connection_ref &connection) {
    ///         return connection.query("update stock set n = n - 1 where item = $1 returning n", 7).one().as<int>();
    ///     });
    ///
    /// The body is called again, up to five times or as options say, after growing random waits, when the transaction came
    /// to nothing for a reason that passes: it conflicted with others (40001, 40P01), whatever the body made of that, or the
    /// connection was lost before COMMIT. So it must not do what cannot be done twice.
    ///
    /// If the body throws, the transaction is rolled back, and what it threw is thrown unchanged by this call, unless the
    /// body is called again. status::rolled_back if the body returned although a statement had failed;
    /// status::commit_unknown if the connection was lost during COMMIT, which is never run again. The connection is the
    /// library's: the body must not keep it, begin, commit or roll back; savepoints are fine.
    template <class Body>
    auto transaction(Body &&body) const
    {
        return transaction(transaction_options(), std::forward<Body>(body));
    }
    template <class Body>
    auto transaction(const transaction_options &options, Body &&body) const
    {
        detail::transaction_run<Body &> run(body);
        const auto connection = options.connection.native();
        const auto how = options.native();
        holdfast_error *about = nullptr;
        const holdfast_status status =
            holdfast_pool_transaction(it_.get(), &connection, &how, run.call, &run, &about);
        return run.end(status, about);
    }

    /// Submits one statement for any connection. A std::future<result>, or nothing if `to` is queue.then(...); with
    /// submit<pack> its result comes packed. Never blocks. status::queue_full if the queue has as many requests as it takes.
    template <class T = result, class Target, class... Args, detail::if_target<Target> = 0>
    auto submit(Target &&to, std::string_view sql, const Args &...args) const
    {
        return submit<T>(std::forward<Target>(to), submit_options(), sql, args...);
    }
    template <class T = result, class Target, class... Args, detail::if_target<Target> = 0>
    auto submit(Target &&to, const submit_options &options, std::string_view sql, const Args &...args) const
    {
        const detail::arguments<Args...> given(args...);
        const auto how = options.native_as<T>();
        return detail::deliver<T>(
            std::forward<Target>(to), [&](const holdfast_queue *queue, std::uint64_t tag, holdfast_error **about) {
                return holdfast_submit_query(it_.get(), queue, tag, &how, sql.data(), sql.size(), given.data(),
                                             given.size(), options.request, about);
            });
    }
    /// The same of a prepared statement.
    template <class T = result, class Target, class... Args, detail::if_target<Target> = 0>
    auto submit_execute(Target &&to, const statement &prepared, const Args &...args) const
    {
        return submit_execute<T>(std::forward<Target>(to), submit_options(), prepared, args...);
    }
    template <class T = result, class Target, class... Args, detail::if_target<Target> = 0>
    auto submit_execute(Target &&to, const submit_options &options, const statement &prepared, const Args &...args) const
    {
        const detail::arguments<Args...> given(args...);
        const auto how = options.native_as<T>();
        return detail::deliver<T>(
            std::forward<Target>(to), [&](const holdfast_queue *queue, std::uint64_t tag, holdfast_error **about) {
                return holdfast_submit_execute(it_.get(), queue, tag, &how, prepared.native(), given.data(), given.size(),
                                               options.request, about);
            });
    }
    /// Submits the statements of a pipeline for any connection. A std::future<outcomes>, or nothing if `to` is
    /// queue.then(...).
    template <class Target, detail::if_target<Target> = 0>
    auto submit_run(Target &&to, const pipeline &statements, pipeline_mode mode = pipeline_mode::separate,
                    const submit_options &options = {}) const
    {
        const pipeline::view requests(statements);
        const auto how = options.native();
        return detail::deliver<outcomes>(
            std::forward<Target>(to), [&](const holdfast_queue *queue, std::uint64_t tag, holdfast_error **about) {
                return holdfast_submit_pipeline(it_.get(), queue, tag, &how, requests.data(), requests.size(),
                                                static_cast<std::int32_t>(mode), options.request, about);
            });
    }
    /// The same, but that on_outcome(std::size_t index, completion<result>) is called with each outcome as it comes, in order,
    /// where functions given to queue::then are called; of pipeline_mode::together when all is committed or has failed. Then the
    /// whole ends: a std::future<void>, or nothing if `to` is queue.then(...), whose function takes a completion<void>. It takes as
    /// much of the queue's capacity as there are statements, and one more.
    template <class Target, class Function, detail::if_target<Target> = 0>
    auto submit_run_in_parts(Target &&to, const pipeline &statements, Function &&on_outcome,
                             pipeline_mode mode = pipeline_mode::separate, const submit_options &options = {}) const
    {
        return detail::deliver_parts(std::forward<Target>(to), statements, std::forward<Function>(on_outcome), mode, options,
                                     [&](auto... rest) { return holdfast_submit_pipeline(it_.get(), rest...); });
    }
    /// Submits a script for any connection. A std::future<results>, or nothing if `to` is queue.then(...).
    template <class Target, detail::if_target<Target> = 0>
    auto submit_script(Target &&to, std::string_view sql, const submit_options &options = {}) const
    {
        const auto how = options.native();
        return detail::deliver<results>(
            std::forward<Target>(to), [&](const holdfast_queue *queue, std::uint64_t tag, holdfast_error **about) {
                return holdfast_submit_script(it_.get(), queue, tag, &how, sql.data(), sql.size(), options.request, about);
            });
    }
    /// Submits a transaction, which is run as transaction() does it, body(connection_ref &) being called on a thread of the
    /// library, where it may block. A std::future of what the body returns; what it throws is thrown by the future. The body
    /// is moved or copied, and may go after the future is ready. `request` gets the number that queue::cancel takes.
    template <class Body>
    auto submit_transaction(queue &to, Body &&body, const transaction_options &options = {},
                            std::uint64_t *request = nullptr) const
    {
        using request_type = detail::transacted<std::decay_t<Body>>;
        auto run = std::make_shared<typename request_type::run>(std::decay_t<Body>(std::forward<Body>(body)));
        auto share = std::make_unique<std::shared_ptr<typename request_type::run>>(run);
        submit_options for_connections;
        for_connections.connection = options.connection;
        const auto connection = for_connections.native();
        const auto how = options.native();
        auto future = to.deliver_as(
            std::make_unique<request_type>(std::move(run)),
            [&](const holdfast_queue *queue, std::uint64_t tag, holdfast_error **about) {
                const holdfast_status status =
                    holdfast_submit_transaction(it_.get(), queue, tag, &connection, &how, request_type::call, share.get(),
                                                request_type::forget, request, about);
                if (status == HOLDFAST_STATUS_OK) {
                    share.release(); // forgotten by the library
                }
                return status;
            });
        return future;
    }
    /// Asks for a connection. A std::future<connection>, or nothing if `to` is queue.then(...).
    template <class Target, detail::if_target<Target> = 0>
    auto submit_acquire(Target &&to, const submit_options &options = {}) const
    {
        const auto how = options.native();
        return detail::deliver<connection>(
            std::forward<Target>(to), [&](const holdfast_queue *queue, std::uint64_t tag, holdfast_error **about) {
                return holdfast_submit_acquire(it_.get(), queue, tag, &how, options.request, about);
            });
    }

    /// For a host that is about to end: ends all calls of the functions given to the configuration of this pool, and of bodies
    /// submitted to it; nothing undoes it. status::busy if one is under way for longer than `timeout`: it is the last.
    void silence(std::chrono::milliseconds timeout) const
    {
        detail::call([&](holdfast_error **about) {
            return holdfast_pool_silence(it_.get(), static_cast<std::uint64_t>(detail::wait(timeout)), about);
        });
    }

    /// The metrics of the pool: its state and its counters, all of one moment.
    holdfast::stats stats() const
    {
        auto figures = detail::sized<holdfast::stats>();
        detail::call([&](holdfast_error **about) { return holdfast_pool_stats(it_.get(), &figures, about); });
        return figures;
    }
    /// The health of the pool, by what it already knows: the server is not asked.
    holdfast::health health() const
    {
        auto found = detail::sized<holdfast_health>();
        detail::call([&](holdfast_error **about) { return holdfast_pool_health(it_.get(), &found, about); });
        return holdfast::health::of(found);
    }
    /// Everything that it has measured: for Prometheus, for OpenMetrics, as one JSON document with health, alerts and the last
    /// ten minutes, or in words its health with reasons. Copies.
    std::string metrics(metrics_format format = metrics_format::prometheus) const
    {
        return *detail::text([&](holdfast_text **made, holdfast_error **about) {
            return holdfast_pool_metrics(it_.get(), static_cast<std::int32_t>(format), made, about);
        });
    }
    /// A report of the holders of connections, joined with the server's own list of its slots, in words or as JSON.
    /// Blocks for at most 2 s. Copies.
    std::string explain_exhaustion(metrics_format format = metrics_format::words) const
    {
        return *detail::text([&](holdfast_text **made, holdfast_error **about) {
            return holdfast_pool_explain_exhaustion(it_.get(), static_cast<std::int32_t>(format), made, about);
        });
    }
    /// Serves metrics, health and a dashboard at an address such as "127.0.0.1:9464" (port 0 takes a free one) until the
    /// server goes or the pool is gone; holdfast.h says what is where.
    [[nodiscard]] server serve(std::string_view address, const serve_options &options = {}) const
    {
        return server(detail::made<holdfast_server>([&](holdfast_server **made, holdfast_error **about) {
            return holdfast_pool_serve(it_.get(), address.data(), address.size(), options.token.data(), options.token.size(),
                                       options.flags(), made, about);
        }));
    }
    /// Blocks until so many connections are open, idle or checked out, and opens what is missing: before a program reports
    /// that it is ready. Throws what kept one from being opened in time; status::misuse for more than max_size.
    void wait_until_warm(std::uint32_t connections, std::chrono::milliseconds timeout) const
    {
        detail::call([&](holdfast_error **about) {
            return holdfast_pool_wait_until_warm(it_.get(), connections, detail::wait(timeout), about);
        });
    }
    /// Sets the largest number of connections, in place of the option max_size: waiters of a larger pool open at once; of a
    /// smaller one, surplus idle connections are closed at once and others as they come back. Throws status::misuse for 0
    /// and for more than 10,000.
    void set_max_size(std::uint32_t max_size) const
    {
        detail::call([&](holdfast_error **about) { return holdfast_pool_set_max_size(it_.get(), max_size, about); });
    }
    /// Acquires a connection, waits for the server's answer to an empty statement, and releases it. Throws if the database
    /// cannot be used now. Blocks for at most `timeout`.
    void ping(std::chrono::milliseconds timeout) const
    {
        detail::call([&](holdfast_error **about) { return holdfast_pool_ping(it_.get(), detail::wait(timeout), about); });
    }
    /// Closes every idle connection now, for a process that is about to be frozen, and returns how many those were. The pool
    /// stays open. Blocks until the server has let go of them, for at most settle_timeout.
    std::size_t release_idle() const
    {
        std::size_t released = 0;
        detail::call([&](holdfast_error **about) { return holdfast_pool_release_idle(it_.get(), &released, about); });
        return released;
    }
    /// Closes it: refuses new callers, wakes those who wait, closes idle connections, waits for those in use, cancels
    /// what still runs shortly before the limit, and cuts what is left at the limit; without one, close_timeout is the
    /// limit.
    holdfast::close_report close(std::optional<std::chrono::milliseconds> timeout = std::nullopt) const
    {
        auto report = detail::sized<holdfast::close_report>();
        const std::uint64_t most = timeout ? detail::wait(*timeout) : HOLDFAST_CONFIGURED;
        detail::call([&](holdfast_error **about) { return holdfast_pool_close(it_.get(), most, &report, about); });
        return report;
    }
    /// Has a thread of the library close it. A std::future<close_report>, or nothing if `to` is queue.then(...). This handle may go
    /// meanwhile. Never blocks.
    template <class Target, detail::if_target<Target> = 0>
    auto submit_close(Target &&to, std::optional<std::chrono::milliseconds> timeout = std::nullopt) const
    {
        const std::uint64_t most = timeout ? detail::wait(*timeout) : HOLDFAST_CONFIGURED;
        return detail::deliver<holdfast::close_report>(
            std::forward<Target>(to), [&](const holdfast_queue *queue, std::uint64_t tag, holdfast_error **about) {
                return holdfast_submit_close(it_.get(), queue, tag, most, nullptr, about);
            });
    }
    bool is_closed() const noexcept { return holdfast_pool_is_closed(it_.get()); }
    /// The server or servers that it leads to, as host:port; no secrets.
    std::string_view target() const noexcept { return detail::view(holdfast_pool_target(it_.get())); }

    /// A further handle of the same pool.
    pool clone() const noexcept { return pool(holdfast_pool_clone(it_.get())); }
    explicit operator bool() const noexcept { return it_ != nullptr; }
    const holdfast_pool *native() const noexcept { return it_.get(); }

private:
    detail::owned<holdfast_pool, holdfast_pool_free> it_;
};

} // namespace holdfast

#endif // HOLDFAST_POOLS_POOL_HPP
