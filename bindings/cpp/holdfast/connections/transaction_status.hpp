// Part of holdfast.hpp: how a connection stands with transactions.
#ifndef HOLDFAST_CONNECTIONS_TRANSACTION_STATUS_HPP
#define HOLDFAST_CONNECTIONS_TRANSACTION_STATUS_HPP

#include <holdfast.h>

#include <cstdint>

namespace holdfast {

/// The transaction status of a connection; the HOLDFAST_TRANSACTION_ constants.
enum class transaction_status : std::int32_t {
    idle = HOLDFAST_TRANSACTION_IDLE,
    active = HOLDFAST_TRANSACTION_ACTIVE,
    /// A statement failed: it can only be rolled back, as a whole or to a savepoint.
    failed = HOLDFAST_TRANSACTION_FAILED,
    /// The connection is lost, or a reply is still to come.
    unknown = HOLDFAST_TRANSACTION_UNKNOWN,
};

} // namespace holdfast

#endif // HOLDFAST_CONNECTIONS_TRANSACTION_STATUS_HPP
