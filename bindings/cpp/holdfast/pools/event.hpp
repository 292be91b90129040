// Part of holdfast.hpp: events.
#ifndef HOLDFAST_POOLS_EVENT_HPP
#define HOLDFAST_POOLS_EVENT_HPP

#include <holdfast.h>

#include "../detail/handle.hpp"
#include "../detail/native.hpp"
#include "../library/error.hpp"
#include "../library/status.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

namespace holdfast {

/// The kind of an event; the HOLDFAST_EVENT_ constants, where each is explained. Later versions may add some.
enum class event_kind : std::int32_t {
    opened = HOLDFAST_EVENT_OPENED,
    open_failed = HOLDFAST_EVENT_OPEN_FAILED,
    closed = HOLDFAST_EVENT_CLOSED,
    acquired = HOLDFAST_EVENT_ACQUIRED,
    released = HOLDFAST_EVENT_RELEASED,
    waited = HOLDFAST_EVENT_WAITED,
    retried = HOLDFAST_EVENT_RETRIED,
    timed_out = HOLDFAST_EVENT_TIMED_OUT,
    limit_moved = HOLDFAST_EVENT_LIMIT_MOVED,
    circuit_moved = HOLDFAST_EVENT_CIRCUIT_MOVED,
    leak_suspected = HOLDFAST_EVENT_LEAK_SUSPECTED,
    server_message = HOLDFAST_EVENT_SERVER_MESSAGE,
    rolled_back = HOLDFAST_EVENT_ROLLED_BACK,
    alert_raised = HOLDFAST_EVENT_ALERT_RAISED,
    alert_cleared = HOLDFAST_EVENT_ALERT_CLEARED,
    exhaustion_explained = HOLDFAST_EVENT_EXHAUSTION_EXPLAINED,
    notice = HOLDFAST_EVENT_NOTICE,
};

/// The name of a kind in snake case, such as "opened"; "unknown" for one that the library does not have.
inline std::string_view name(event_kind kind) noexcept
{
    return detail::view(holdfast_event_name(static_cast<std::int32_t>(kind)));
}

/// An event of a pool. It and its texts are valid during the call; texts that a kind does not have are empty, numbers
/// 0.
struct event {
    event_kind kind;
    std::chrono::time_point<std::chrono::system_clock, std::chrono::microseconds> time;
    /// The pool's name and target.
    std::string_view pool;
    /// Number of the connection within the pool, from 1; 0 where no connection is concerned.
    std::uint64_t connection;
    /// The server's process id for the connection.
    std::uint32_t backend_pid;
    std::optional<std::chrono::microseconds> took;
    /// The failure, as a call would fail with it; status::ok if there was none.
    holdfast::status status;
    /// The same with all that a failed call reports of it; NULL if there was no failure. Copied by error().
    const holdfast_error *about;
    /// A number before, and now.
    std::uint32_t from, to;
    /// A stable name in snake case.
    std::string_view reason;
    /// The event in words. Never holds a secret. Empty for acquired, released and waited.
    std::string_view message;
    /// The SQLSTATE that the server gave, whatever its language: of the message with which it ended the connection
    /// (closed, server_message), or of the failure.
    std::string_view sqlstate;

    /// The failure, as a call would throw it, to keep for longer than the call; nothing if there was none.
    std::optional<holdfast::error> error() const
    {
        if (about == nullptr) {
            return std::nullopt;
        }
        return holdfast::error(static_cast<holdfast_status>(status),
                               detail::owned<holdfast_error, holdfast_error_free>(holdfast_error_clone(about)));
    }

    /// The library's event, while it is valid.
    static event of(const holdfast_event &it) noexcept
    {
        return {static_cast<event_kind>(it.kind),
                detail::time(it.unix_us),
                detail::view(it.pool),
                it.connection,
                it.backend_pid,
                detail::unless(it.took_us, HOLDFAST_NO_DURATION),
                static_cast<holdfast::status>(it.status),
                it.error,
                it.from,
                it.to,
                detail::view(it.reason),
                detail::view(it.message),
                detail::view(it.sqlstate)};
    }
};

} // namespace holdfast

#endif // HOLDFAST_POOLS_EVENT_HPP
