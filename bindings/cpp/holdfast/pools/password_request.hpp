// Part of holdfast.hpp: the question for a password.
#ifndef HOLDFAST_POOLS_PASSWORD_REQUEST_HPP
#define HOLDFAST_POOLS_PASSWORD_REQUEST_HPP

#include <holdfast.h>

#include "../detail/text.hpp"

#include <chrono>
#include <cstdint>
#include <string_view>

namespace holdfast {

/// The session that a password is asked for. Valid during the call.
struct password_request {
    /// As it was configured: a name, an address, or the directory of a Unix-domain socket.
    std::string_view host;
    std::uint16_t port;
    std::string_view user;
    std::string_view dbname;
    /// The rest of the attempt's time. A password that comes later is not used.
    std::chrono::milliseconds timeout;
    /// The server has refused the password that was given for this session a moment ago: one from a cache must not be given
    /// again.
    bool was_refused;

    static password_request of(const holdfast_password_request &it) noexcept
    {
        return {detail::view(it.host),
                static_cast<std::uint16_t>(it.port),
                detail::view(it.user),
                detail::view(it.dbname),
                std::chrono::milliseconds(it.timeout_ms),
                it.was_refused != 0};
    }
};

} // namespace holdfast

#endif // HOLDFAST_POOLS_PASSWORD_REQUEST_HPP
