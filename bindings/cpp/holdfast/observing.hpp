// Part of holdfast.hpp: what a pool shows.
#ifndef HOLDFAST_OBSERVING_HPP
#define HOLDFAST_OBSERVING_HPP

#include <holdfast.h>

#include "detail/handle.hpp"
#include "detail/native.hpp"

#include <cstdint>
#include <string_view>

namespace holdfast {

/// As which text; the HOLDFAST_METRICS_ constants.
enum class metrics_format : std::int32_t {
    prometheus = HOLDFAST_METRICS_PROMETHEUS,
    openmetrics = HOLDFAST_METRICS_OPENMETRICS,
    json = HOLDFAST_METRICS_JSON,
    words = HOLDFAST_METRICS_WORDS,
};

/// Something that happened in a pool, as C has it. Valid during the call.
using event = holdfast_event;

/// Whether a pool can do its work, as C has it.
using health = holdfast_health;

/// A pool that is served over HTTP, until this goes.
class server {
public:
    explicit server(holdfast_server *it) noexcept : it_(it) {}

    /// Where the dashboard is.
    std::string_view url() const noexcept { return detail::view(holdfast_server_url(it_.get())); }

private:
    detail::owned<holdfast_server, holdfast_server_free> it_;
};

} // namespace holdfast

#endif // HOLDFAST_OBSERVING_HPP
