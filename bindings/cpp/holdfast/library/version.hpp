// Part of holdfast.hpp: versions.
#ifndef HOLDFAST_LIBRARY_VERSION_HPP
#define HOLDFAST_LIBRARY_VERSION_HPP

#include <holdfast.h>

#include "../detail/call.hpp"
#include "../detail/native.hpp"

#include <string_view>

namespace holdfast {

/// The version of the library that runs, as text; HOLDFAST_VERSION is what the program was compiled against.
inline std::string_view version() noexcept { return detail::view(holdfast_version()); }

/// Throws status::misuse if the library that runs does not serve a program compiled against this header: call it once,
/// before anything else.
inline void check_version()
{
    detail::call([](holdfast_error **about) { return holdfast_check_version(HOLDFAST_VERSION_NUMBER, about); });
}

} // namespace holdfast

#endif // HOLDFAST_LIBRARY_VERSION_HPP
