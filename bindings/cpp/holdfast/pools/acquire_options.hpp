// Part of holdfast.hpp: how a call gets its connection.
#ifndef HOLDFAST_POOLS_ACQUIRE_OPTIONS_HPP
#define HOLDFAST_POOLS_ACQUIRE_OPTIONS_HPP

#include <holdfast.h>

#include "../detail/limit.hpp"
#include "../detail/native.hpp"

#include <chrono>
#include <optional>

namespace holdfast {

/// The options of a call that gets a connection.
struct acquire_options {
    /// Limit of getting one, queueing, opening, retries and the waits between them included; without it each attempt has
    /// its own (connection_timeout).
    std::optional<std::chrono::milliseconds> timeout = std::nullopt;
    /// The most retries of a failed attempt; without it as configured (retry_max).
    std::optional<unsigned> retries = std::nullopt;

    holdfast_acquire_options native() const noexcept
    {
        auto it = detail::sized<holdfast_acquire_options>();
        it.retries = detail::repeats(retries);
        it.timeout_ms = detail::limit(timeout);
        return it;
    }
};

} // namespace holdfast

#endif // HOLDFAST_POOLS_ACQUIRE_OPTIONS_HPP
