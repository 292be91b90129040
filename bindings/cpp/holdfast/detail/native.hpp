// Part of holdfast.hpp: what crosses between holdfast.h and this side.
#ifndef HOLDFAST_DETAIL_NATIVE_HPP
#define HOLDFAST_DETAIL_NATIVE_HPP

#include <holdfast.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

namespace holdfast::detail {

inline std::string_view view(holdfast_str text) noexcept { return {text.ptr, text.len}; }

/// A growing struct of the library, ready to be filled.
template <class T>
T sized() noexcept
{
    T it{};
    it.struct_size = static_cast<std::uint32_t>(sizeof it);
    return it;
}

inline std::chrono::microseconds microseconds(std::uint64_t count) noexcept
{
    return std::chrono::microseconds(static_cast<std::chrono::microseconds::rep>(count));
}

/// The same, where one number says that there is no duration.
inline std::optional<std::chrono::microseconds> unless(std::uint64_t count, std::uint64_t none) noexcept
{
    return count != none ? std::optional(microseconds(count)) : std::nullopt;
}

inline std::chrono::time_point<std::chrono::system_clock, std::chrono::microseconds> time(std::uint64_t unix_us) noexcept
{
    return std::chrono::time_point<std::chrono::system_clock, std::chrono::microseconds>(microseconds(unix_us));
}

} // namespace holdfast::detail

#endif // HOLDFAST_DETAIL_NATIVE_HPP
