// Part of holdfast.hpp: a pool over HTTP.
#ifndef HOLDFAST_POOLS_SERVER_HPP
#define HOLDFAST_POOLS_SERVER_HPP

#include <holdfast.h>

#include "../detail/handle.hpp"
#include "../detail/native.hpp"

#include <string_view>

namespace holdfast {

/// A pool that is served over HTTP, until this goes, which blocks for a moment, or the pool is gone.
class server {
public:
    server() = default;
    /// Takes the handle over.
    explicit server(holdfast_server *it) noexcept : it_(it) {}

    /// The URL of the dashboard. Belongs to the server.
    std::string_view url() const noexcept { return detail::view(holdfast_server_url(it_.get())); }
    explicit operator bool() const noexcept { return it_ != nullptr; }
    const holdfast_server *native() const noexcept { return it_.get(); }

private:
    detail::owned<holdfast_server, holdfast_server_free> it_;
};

} // namespace holdfast

#endif // HOLDFAST_POOLS_SERVER_HPP
