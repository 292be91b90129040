//! The builder of a transaction with its own modes.

use super::transaction::Transaction;
use crate::error::Result;
use crate::session::{Isolation, TransactionOptions};
use crate::sql::handle::Handle;

/// A builder of a transaction, as [`build_transaction`](crate::PooledConnection::build_transaction) returns it. Modes not set
/// are the server's defaults.
///
/// ```
/// # let mut conn = holdfast::Pool::echo(holdfast::PoolConfig::new())?.get()?;
/// use holdfast::Isolation;
/// let mut tx = conn.build_transaction().isolation_level(Isolation::Serializable).read_only(true).deferrable(true).start()?;
/// tx.query("select balance from account", &[])?;
/// tx.commit()?;
/// # Ok::<(), holdfast::Error>(())
/// ```
#[must_use = "a transaction begins with `start`"]
pub struct TransactionBuilder<'a> {
    /// An error is returned when the transaction is begun.
    handle: Result<Handle<'a>>,
    options: TransactionOptions,
}

impl<'a> TransactionBuilder<'a> {
    pub(crate) fn new(handle: Result<Handle<'a>>) -> Self {
        Self { handle, options: TransactionOptions::new() }
    }

    /// Sets the isolation level.
    pub fn isolation_level(mut self, isolation: Isolation) -> Self {
        self.options = self.options.isolation(isolation);
        self
    }

    /// Sets whether the server refuses statements that write.
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.options = self.options.read_only(read_only);
        self
    }

    /// Sets whether a serializable read-only transaction waits at its beginning until it cannot fail with 40001 any more.
    pub fn deferrable(mut self, deferrable: bool) -> Self {
        self.options = self.options.deferrable(deferrable);
        self
    }

    /// Begins the transaction. Blocks for a round trip.
    ///
    /// # Errors
    /// The server's error; [`Misuse`](crate::ErrorKind::Misuse) when a transaction is open on the connection.
    pub fn start(self) -> Result<Transaction<'a>> {
        Transaction::begin(self.handle?, &self.options)
    }
}

impl std::fmt::Debug for TransactionBuilder<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TransactionBuilder").field("options", &self.options).finish_non_exhaustive()
    }
}
