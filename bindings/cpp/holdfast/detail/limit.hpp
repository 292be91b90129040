// Part of holdfast.hpp: limits as the library takes them.
#ifndef HOLDFAST_DETAIL_LIMIT_HPP
#define HOLDFAST_DETAIL_LIMIT_HPP

#include <holdfast.h>

#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>

namespace holdfast::detail {

/// A limit as the library takes it, where 0 would mean that there is none: what is over already gets the shortest.
inline std::uint64_t limit(std::chrono::milliseconds time) noexcept
{
    return time.count() > 0 ? static_cast<std::uint64_t>(time.count()) : 1;
}

inline std::uint64_t limit(const std::optional<std::chrono::milliseconds> &time) noexcept
{
    return time ? limit(*time) : 0;
}

/// How long to wait, where 0 means not at all.
inline std::uint64_t wait(std::chrono::milliseconds time) noexcept
{
    return time.count() > 0 ? static_cast<std::uint64_t>(time.count()) : 0;
}

/// How often to repeat, as the library takes it.
inline std::int32_t repeats(const std::optional<unsigned> &times) noexcept
{
    constexpr unsigned most = std::numeric_limits<std::int32_t>::max();
    if (!times) {
        return 0;
    }
    return *times == 0 ? HOLDFAST_NO_RETRY : static_cast<std::int32_t>(*times < most ? *times : most);
}

} // namespace holdfast::detail

#endif // HOLDFAST_DETAIL_LIMIT_HPP
