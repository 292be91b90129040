// Part of holdfast.hpp: what crosses between holdfast.h and this side.
#ifndef HOLDFAST_DETAIL_NATIVE_HPP
#define HOLDFAST_DETAIL_NATIVE_HPP

#include <holdfast.h>

#include <chrono>
#include <cstdint>
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

} // namespace holdfast::detail

#endif // HOLDFAST_DETAIL_NATIVE_HPP
