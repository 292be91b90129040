// Part of holdfast.hpp: how what a pool shows is written.
#ifndef HOLDFAST_POOLS_METRICS_FORMAT_HPP
#define HOLDFAST_POOLS_METRICS_FORMAT_HPP

#include <holdfast.h>

#include <cstdint>

namespace holdfast {

/// The format of a pool's metrics; the HOLDFAST_METRICS_ constants.
enum class metrics_format : std::int32_t {
    prometheus = HOLDFAST_METRICS_PROMETHEUS,
    openmetrics = HOLDFAST_METRICS_OPENMETRICS,
    json = HOLDFAST_METRICS_JSON,
    words = HOLDFAST_METRICS_WORDS,
};

} // namespace holdfast

#endif // HOLDFAST_POOLS_METRICS_FORMAT_HPP
