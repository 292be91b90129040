// Part of holdfast.hpp: log records.
#ifndef HOLDFAST_LOG_RECORD_HPP
#define HOLDFAST_LOG_RECORD_HPP

#include <holdfast.h>

#include <chrono>
#include <cstdint>
#include <string_view>

namespace holdfast {

/// How much a log record matters; the HOLDFAST_LOG_ constants.
enum class log_level : std::int32_t {
    off = HOLDFAST_LOG_OFF,
    error = HOLDFAST_LOG_ERROR,
    warn = HOLDFAST_LOG_WARN,
    info = HOLDFAST_LOG_INFO,
    debug = HOLDFAST_LOG_DEBUG,
    trace = HOLDFAST_LOG_TRACE,
};

/// What a pool tells about what it decides. Valid during the call.
struct log_record {
    log_level level;
    /// What happened, in one line. Never holds a secret.
    std::string_view message;
    /// The pool's name and target.
    std::string_view pool;
    std::chrono::time_point<std::chrono::system_clock, std::chrono::microseconds> time;
};

} // namespace holdfast

#endif // HOLDFAST_LOG_RECORD_HPP
