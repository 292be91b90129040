// Part of holdfast.hpp: whether a pool can do its work.
#ifndef HOLDFAST_POOLS_HEALTH_HPP
#define HOLDFAST_POOLS_HEALTH_HPP

#include <holdfast.h>

#include "../detail/native.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

namespace holdfast {

/// The health of a pool in one word; the HOLDFAST_HEALTH_ constants. Later versions may add some.
enum class health_status : std::int32_t {
    healthy = HOLDFAST_HEALTH_HEALTHY,
    degraded = HOLDFAST_HEALTH_DEGRADED,
    down = HOLDFAST_HEALTH_DOWN,
};

/// The name of a status in snake case, such as "degraded"; "unknown" for one that the library does not have.
inline std::string_view name(health_status status) noexcept
{
    return detail::view(holdfast_health_name(static_cast<std::int32_t>(status)));
}

/// The health of a pool. In words, with reasons and what to do: pool::metrics.
struct health {
    health_status status;
    /// The process should go on living: the pool was not closed. A server that is away is no reason to restart.
    bool live;
    /// Requests that need the database should be sent here.
    bool ready;
    /// The number of alerts raised, and of reasons for not being healthy.
    std::uint32_t alerts, reasons;
    /// The time since the server last answered.
    std::optional<std::chrono::microseconds> last_success;
    /// The time since opening a connection last failed.
    std::optional<std::chrono::microseconds> last_error;
    /// The time that the last validation of a connection took.
    std::optional<std::chrono::microseconds> last_probe;

    static health of(const holdfast_health &it) noexcept
    {
        return {static_cast<health_status>(it.status),
                it.live != 0,
                it.ready != 0,
                it.alerts,
                it.reasons,
                detail::unless(it.last_success_us, HOLDFAST_NEVER),
                detail::unless(it.last_error_us, HOLDFAST_NEVER),
                detail::unless(it.last_probe_us, HOLDFAST_NEVER)};
    }
};

} // namespace holdfast

#endif // HOLDFAST_POOLS_HEALTH_HPP
