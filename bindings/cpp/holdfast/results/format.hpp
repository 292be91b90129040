// Part of holdfast.hpp: how values come.
#ifndef HOLDFAST_RESULTS_FORMAT_HPP
#define HOLDFAST_RESULTS_FORMAT_HPP

#include <holdfast.h>

#include <cstdint>

namespace holdfast {

/// The format of values; the HOLDFAST_FORMAT_ constants.
enum class format : std::int32_t {
    text = HOLDFAST_FORMAT_TEXT,
    binary = HOLDFAST_FORMAT_BINARY,
    /// Binary where that is cheaper to read, text for all else: what is asked for unless a call says otherwise.
    automatic = HOLDFAST_FORMAT_AUTOMATIC,
};

} // namespace holdfast

#endif // HOLDFAST_RESULTS_FORMAT_HPP
