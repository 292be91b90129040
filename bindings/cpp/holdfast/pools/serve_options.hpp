// Part of holdfast.hpp: to whom a pool is shown over HTTP.
#ifndef HOLDFAST_POOLS_SERVE_OPTIONS_HPP
#define HOLDFAST_POOLS_SERVE_OPTIONS_HPP

#include <holdfast.h>

#include <cstdint>
#include <string_view>

namespace holdfast {

/// To whom a pool is shown over HTTP.
struct serve_options {
    /// Figures are only given to requests that have it (Authorization: Bearer); the empty text is none.
    std::string_view token = {};
    /// Allows an address that other machines may reach.
    bool beyond_loopback = false;

    std::uint32_t flags() const noexcept { return beyond_loopback ? HOLDFAST_SERVE_BEYOND_LOOPBACK : 0; }
};

} // namespace holdfast

#endif // HOLDFAST_POOLS_SERVE_OPTIONS_HPP
