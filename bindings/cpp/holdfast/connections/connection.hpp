// Part of holdfast.hpp: connections checked out of a pool.
#ifndef HOLDFAST_CONNECTIONS_CONNECTION_HPP
#define HOLDFAST_CONNECTIONS_CONNECTION_HPP

#include <holdfast.h>

#include "../detail/arguments.hpp"
#include "../detail/call.hpp"
#include "../detail/found.hpp"
#include "../detail/handle.hpp"
#include "../detail/limit.hpp"
#include "../detail/native.hpp"
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
#include "submissions.hpp"
#include "transaction_options.hpp"
#include "transaction_status.hpp"

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace holdfast {

/// A view of a connection that another object holds: what std::string_view is to std::string. Functions that use a
/// connection without keeping it take this, by value or by reference, and get a connection as well as that of a
/// transaction.
class connection_ref : public submissions_to_connection {
public:
    connection_ref() = default;
    connection_ref(holdfast_connection *it) noexcept : submissions_to_connection(it) {}

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

    /// The server's process id for this session, as in pg_stat_activity. Any thread.
    std::uint32_t backend_pid() const noexcept { return holdfast_connection_backend_pid(it_); }
    /// Its socket, for an event loop to wait for while nothing runs on it: once it is readable, notification(0ms)
    /// returns what has come or throws if the connection is lost; call it until it has nothing more. Not to be read,
    /// written or closed.
    int socket() const noexcept { return holdfast_connection_socket(it_); }
    /// The server it leads to, as host:port or a socket path. Any thread.
    std::string_view target() const noexcept { return detail::view(holdfast_connection_target(it_)); }

    /// A setting of the session as the server reported it last (server_version, TimeZone, in_hot_standby and what else servers
    /// report by themselves); nothing for one that it does not report. Names are case-sensitive.
    std::optional<std::string> parameter(std::string_view name) const
    {
        return known([&](holdfast_text **found, holdfast_error **about) {
            return holdfast_connection_parameter(it_, name.data(), name.size(), found, about);
        });
    }
    /// The role that the session was opened as, and its database.
    std::string user() const { return info(HOLDFAST_INFO_USER).value_or(""); }
    std::string dbname() const { return info(HOLDFAST_INFO_DBNAME).value_or(""); }
    /// The version and the cipher of TLS, such as TLSv1.3; nothing on a plain connection.
    std::optional<std::string> tls_version() const { return info(HOLDFAST_INFO_TLS_VERSION); }
    std::optional<std::string> tls_cipher() const { return info(HOLDFAST_INFO_TLS_CIPHER); }

    explicit operator bool() const noexcept { return it_ != nullptr; }
    holdfast_connection *native() const noexcept { return it_; }

private:
    template <class Get>
    std::optional<std::string> known(Get get) const
    {
        holdfast_text *found = nullptr;
        detail::call([&](holdfast_error **about) { return get(&found, about); });
        const detail::owned<holdfast_text, holdfast_text_free> kept(found);
        return found != nullptr ? std::optional<std::string>(detail::view(holdfast_text_view(found))) : std::nullopt;
    }
    std::optional<std::string> info(std::int32_t what) const
    {
        return known([&](holdfast_text **found, holdfast_error **about) {
            return holdfast_connection_info(it_, what, found, about);
        });
    }
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
