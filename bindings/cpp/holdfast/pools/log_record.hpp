// Part of holdfast.hpp: log records.
#ifndef HOLDFAST_POOLS_LOG_RECORD_HPP
#define HOLDFAST_POOLS_LOG_RECORD_HPP

#include <holdfast.h>

#include <chrono>
#include <cstdint>
#include <string_view>

namespace holdfast {

/// The level of a log record; the HOLDFAST_LOG_ constants.
enum class log_level : std::int32_t {
    off = HOLDFAST_LOG_OFF,
    error = HOLDFAST_LOG_ERROR,
    warn = HOLDFAST_LOG_WARN,
    info = HOLDFAST_LOG_INFO,
    debug = HOLDFAST_LOG_DEBUG,
    trace = HOLDFAST_LOG_TRACE,
};

/// A log record of a pool's decisions. Valid during the call.
struct log_record {
    log_level level;
    /// The message, in one line. Never holds a secret.
    std::string_view message;
    /// The pool's name and target.
    std::string_view pool;
    std::chrono::time_point<std::chrono::system_clock, std::chrono::microseconds> time;
};

} // namespace holdfast

#endif // HOLDFAST_POOLS_LOG_RECORD_HPP
