// Part of holdfast.hpp: what can be submitted to a connection in hand.
#ifndef HOLDFAST_CONNECTIONS_SUBMISSIONS_HPP
#define HOLDFAST_CONNECTIONS_SUBMISSIONS_HPP

#include <holdfast.h>

#include "../detail/arguments.hpp"
#include "../detail/target.hpp"
#include "../queues/submit_options.hpp"
#include "../results/outcome.hpp"
#include "../results/result.hpp"
#include "../results/results.hpp"
#include "../statements/copy.hpp"
#include "../statements/pipeline.hpp"
#include "../statements/statement.hpp"
#include "../statements/stream.hpp"
#include "transaction_options.hpp"

#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <utility>

namespace holdfast {

/// The requests of a connection that a queue completes: see queue. A part of connection_ref.
class submissions_to_connection {
public:
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

protected:
    submissions_to_connection() = default;
    explicit submissions_to_connection(holdfast_connection *it) noexcept : it_(it) {}

    holdfast_connection *it_ = nullptr;
};

} // namespace holdfast

#endif // HOLDFAST_CONNECTIONS_SUBMISSIONS_HPP
