// Part of holdfast.hpp: a transaction on a connection in hand.
#ifndef HOLDFAST_CONNECTIONS_TRANSACTION_HPP
#define HOLDFAST_CONNECTIONS_TRANSACTION_HPP

#include <holdfast.h>

#include "connection.hpp"
#include "transaction_options.hpp"

#include <utility>

namespace holdfast {

/// A transaction on a connection in hand, rolled back with this object unless it was committed.
///
///     holdfast::transaction work(connection);
///     connection.query("update ...");
///     work.commit();
///
/// pool::transaction also runs it again when it conflicts with others.
class transaction {
public:
    /// Begins one; blocks until the server answered. The connection must outlive it.
    explicit transaction(connection_ref connection, const transaction_options &options = {}) : on_(connection)
    {
        on_.begin(options);
    }
    transaction(const transaction &) = delete;
    transaction &operator=(const transaction &) = delete;
    /// Rolls back; blocks until the server answered, at most for the deadline of the connection.
    ~transaction()
    {
        if (on_) {
            holdfast_connection_rollback(on_.native(), nullptr);
        }
    }

    /// Commits: connection_ref::commit. Over after that, however it ended.
    void commit() { std::exchange(on_, connection_ref()).commit(); }
    /// Rolls back. Over after that.
    void rollback() { std::exchange(on_, connection_ref()).rollback(); }

private:
    connection_ref on_;
};

} // namespace holdfast

#endif // HOLDFAST_CONNECTIONS_TRANSACTION_HPP
