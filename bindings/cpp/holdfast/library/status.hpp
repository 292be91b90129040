// Part of holdfast.hpp: why a call failed.
#ifndef HOLDFAST_LIBRARY_STATUS_HPP
#define HOLDFAST_LIBRARY_STATUS_HPP

#include <holdfast.h>

#include <cstdint>

namespace holdfast {

/// Why a call failed; the HOLDFAST_STATUS_ constants, where each is explained. Later versions may add some.
enum class status : std::int32_t {
    ok = HOLDFAST_STATUS_OK,
    config = HOLDFAST_STATUS_CONFIG,
    resolve = HOLDFAST_STATUS_RESOLVE,
    refused = HOLDFAST_STATUS_REFUSED,
    unreachable = HOLDFAST_STATUS_UNREACHABLE,
    tls = HOLDFAST_STATUS_TLS,
    auth = HOLDFAST_STATUS_AUTH,
    server_full = HOLDFAST_STATUS_SERVER_FULL,
    server_starting = HOLDFAST_STATUS_SERVER_STARTING,
    connect_timeout = HOLDFAST_STATUS_CONNECT_TIMEOUT,
    pool_timeout = HOLDFAST_STATUS_POOL_TIMEOUT,
    circuit_open = HOLDFAST_STATUS_CIRCUIT_OPEN,
    pool_closed = HOLDFAST_STATUS_POOL_CLOSED,
    connection_lost = HOLDFAST_STATUS_CONNECTION_LOST,
    query_timeout = HOLDFAST_STATUS_QUERY_TIMEOUT,
    canceled = HOLDFAST_STATUS_CANCELED,
    commit_unknown = HOLDFAST_STATUS_COMMIT_UNKNOWN,
    database = HOLDFAST_STATUS_DATABASE,
    misuse = HOLDFAST_STATUS_MISUSE,
    overloaded = HOLDFAST_STATUS_OVERLOADED,
    local_limit = HOLDFAST_STATUS_LOCAL_LIMIT,
    null = HOLDFAST_STATUS_NULL,
    utf8 = HOLDFAST_STATUS_UTF8,
    argument = HOLDFAST_STATUS_ARGUMENT,
    busy = HOLDFAST_STATUS_BUSY,
    type = HOLDFAST_STATUS_TYPE,
    is_null = HOLDFAST_STATUS_IS_NULL,
    panic = HOLDFAST_STATUS_PANIC,
    rolled_back = HOLDFAST_STATUS_ROLLED_BACK,
    queue_full = HOLDFAST_STATUS_QUEUE_FULL,
    reentrant = HOLDFAST_STATUS_REENTRANT,
};

} // namespace holdfast

#endif // HOLDFAST_LIBRARY_STATUS_HPP
