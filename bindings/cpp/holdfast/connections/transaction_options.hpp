// Part of holdfast.hpp: how a transaction is to run.
#ifndef HOLDFAST_CONNECTIONS_TRANSACTION_OPTIONS_HPP
#define HOLDFAST_CONNECTIONS_TRANSACTION_OPTIONS_HPP

#include <holdfast.h>

#include "../detail/limit.hpp"
#include "../detail/native.hpp"
#include "../pools/acquire_options.hpp"

#include <chrono>
#include <cstdint>
#include <optional>

namespace holdfast {

enum class isolation : std::int32_t {
    /// As the server's default_transaction_isolation.
    standard = HOLDFAST_ISOLATION_DEFAULT,
    read_committed = HOLDFAST_ISOLATION_READ_COMMITTED,
    repeatable_read = HOLDFAST_ISOLATION_REPEATABLE_READ,
    serializable = HOLDFAST_ISOLATION_SERIALIZABLE,
};

enum class access : std::int32_t {
    /// As the server's default_transaction_read_only.
    standard = HOLDFAST_ACCESS_DEFAULT,
    read_write = HOLDFAST_ACCESS_READ_WRITE,
    read_only = HOLDFAST_ACCESS_READ_ONLY,
};

/// The options of a transaction; by default, as the server has it and with no limit of time.
struct transaction_options {
    holdfast::isolation isolation = holdfast::isolation::standard;
    holdfast::access access = holdfast::access::standard;
    /// True if a serializable read-only transaction waits at its beginning until it cannot fail with 40001 any more.
    std::optional<bool> deferrable = std::nullopt;
    /// Limit of the whole, getting connections, reruns and waits included, and deadline of its statements.
    std::optional<std::chrono::milliseconds> timeout = std::nullopt;
    /// The most further runs after one that had to be undone; five without it. pool::transaction only.
    std::optional<unsigned> reruns = std::nullopt;
    /// True to find out whether a commit took effect when its answer was lost, for a further round trip.
    /// pool::transaction only.
    bool resolve_commit = false;
    /// The options for getting connections. pool::transaction only.
    acquire_options connection = {};

    holdfast_transaction_options native() const noexcept
    {
        auto it = detail::sized<holdfast_transaction_options>();
        it.isolation = static_cast<std::int32_t>(isolation);
        it.access = static_cast<std::int32_t>(access);
        it.deferrable = !deferrable  ? HOLDFAST_DEFERRABLE_DEFAULT
                        : *deferrable ? HOLDFAST_DEFERRABLE_YES
                                      : HOLDFAST_DEFERRABLE_NO;
        it.reruns = detail::repeats(reruns);
        it.resolve_commit = resolve_commit ? 1 : 0;
        it.timeout_ms = detail::limit(timeout);
        return it;
    }
};

} // namespace holdfast

#endif // HOLDFAST_CONNECTIONS_TRANSACTION_OPTIONS_HPP
