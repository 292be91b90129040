//! Transactions and savepoints, rolled back when they are dropped.

use std::fmt;

use crate::error::Result;
use crate::link::TransactionStatus;
use crate::link::cancel::CancelHandle;
use crate::session::TransactionOptions;
use crate::sql::client_methods::client_methods;
use crate::sql::generic_client::generic_client;
use crate::sql::handle::Handle;
use crate::sql::rows::portal::Portal;
use crate::sql::rows::row::Row;
use crate::sql::rows::row_iter::RowIter;
use crate::sql::statements::params::Params;
use crate::sql::statements::to_statement::ToStatement;

/// A transaction, or a savepoint inside one. [`conn.transaction()`](crate::PooledConnection::transaction) begins it; closures
/// of [`Pool::transaction`](crate::Pool::transaction) get one that the pool ends.
///
/// Dropped without [`commit`](Self::commit), it is rolled back. The drop does not block: it sends ROLLBACK, and the
/// connection's next call or the pool skips the answer. Where ROLLBACK cannot be sent without blocking, the next call or the
/// pool sends it.
///
/// ```
/// # let mut conn = holdfast::Pool::echo(holdfast::PoolConfig::new())?.get()?;
/// let mut tx = conn.transaction()?;
/// tx.execute("insert into item values ($1)", &[&"apple"])?;
/// let mut inner = tx.transaction()?; // a savepoint
/// inner.batch_execute("delete from item")?;
/// inner.rollback()?; // undoes the deletion
/// tx.commit()?;
/// # Ok::<(), holdfast::Error>(())
/// ```
#[must_use = "the transaction is rolled back when this is dropped"]
pub struct Transaction<'a> {
    handle: Handle<'a>,
    level: Level,
    /// Set when nothing is left to roll back.
    is_ended: bool,
}

/// The extent of a [`Transaction`].
enum Level {
    /// The transaction.
    Transaction,
    /// The transaction, which the pool ends. `before` is the number of runs before this one.
    OfThePool { before: u32 },
    /// The statements since a savepoint, `depth` levels below the transaction.
    Savepoint { name: String, depth: u32 },
}

impl<'a> Transaction<'a> {
    pub(in crate::sql) fn begin(mut handle: Handle<'a>, options: &TransactionOptions) -> Result<Self> {
        handle.raw().begin_transaction(options).map_err(|e| handle.explain(e))?;
        Ok(Self { handle, level: Level::Transaction, is_ended: false })
    }

    /// Begins a transaction that the pool ends, and not its drop.
    pub(crate) fn of_the_pool(
        mut handle: Handle<'a>,
        options: &TransactionOptions,
        before: u32,
    ) -> Result<Self> {
        handle.batch_execute(&options.begin())?;
        Ok(Self { handle, level: Level::OfThePool { before }, is_ended: false })
    }

    #[inline]
    fn handle(&mut self) -> Result<Handle<'_>> {
        Ok(self.handle.reborrow())
    }

    client_methods!();

    /// Commits the transaction; releases a savepoint. Blocks until the server has answered.
    ///
    /// # Errors
    /// Unless it is [`CommitUnknown`](crate::ErrorKind::CommitUnknown), nothing was committed. An error of kind
    /// [`Database`](crate::ErrorKind::Database) without a SQLSTATE means that a statement had failed the transaction before.
    pub fn commit(mut self) -> Result<()> {
        let done = match &self.level {
            Level::Savepoint { name, .. } => {
                self.handle.raw().run_batch(&format!("RELEASE SAVEPOINT {name}"))
            }
            Level::Transaction | Level::OfThePool { .. } => self.handle.raw().commit(),
        };
        self.end(done)
    }

    /// Rolls back the transaction, or the statements since the savepoint. Blocks until the server has answered.
    ///
    /// # Errors
    /// The connection's error. The transaction is rolled back even then.
    pub fn rollback(mut self) -> Result<()> {
        let done = match &self.level {
            Level::Savepoint { name, .. } => {
                self.handle.raw().run_batch(&format!("ROLLBACK TO SAVEPOINT {name}"))
            }
            Level::Transaction | Level::OfThePool { .. } => self.handle.raw().rollback(),
        };
        self.end(done)
    }

    /// Notes that the transaction has ended, unless the command was not sent; then the drop rolls it back.
    fn end(&mut self, done: Result<()>) -> Result<()> {
        let was_not_sent = done.as_ref().is_err_and(|e| e.kind() == crate::ErrorKind::Misuse);
        self.is_ended = !was_not_sent;
        done.map_err(|e| self.handle.explain(e))
    }

    /// Sets a savepoint inside the transaction, with a generated name. Blocks for a round trip.
    ///
    /// # Errors
    /// The server's error.
    pub fn transaction(&mut self) -> Result<Transaction<'_>> {
        let depth = self.depth() + 1;
        self.set_savepoint(format!("sp_{depth}"), depth)
    }

    /// Sets a savepoint inside the transaction, with a name in SQL's form: a plain identifier, or one in double quotes. Blocks
    /// for a round trip.
    ///
    /// # Errors
    /// The server's error.
    ///
    /// ```
    /// # let mut conn = holdfast::Pool::echo(holdfast::PoolConfig::new())?.get()?;
    /// let mut tx = conn.transaction()?;
    /// let mut attempt = tx.savepoint("attempt")?;
    /// attempt.batch_execute("echo:error 23505 there is one already").unwrap_err();
    /// attempt.rollback()?; // the rest of the transaction goes on
    /// tx.batch_execute("update account")?;
    /// tx.commit()?;
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn savepoint<I: Into<String>>(&mut self, name: I) -> Result<Transaction<'_>> {
        let depth = self.depth() + 1;
        self.set_savepoint(name.into(), depth)
    }

    fn set_savepoint(&mut self, name: String, depth: u32) -> Result<Transaction<'_>> {
        self.handle.batch_execute(&format!("SAVEPOINT {name}"))?;
        let level = Level::Savepoint { name, depth };
        Ok(Transaction { handle: self.handle.reborrow(), level, is_ended: false })
    }

    fn depth(&self) -> u32 {
        match &self.level {
            Level::Savepoint { depth, .. } => *depth,
            Level::Transaction | Level::OfThePool { .. } => 0,
        }
    }

    /// Binds a statement to its parameters, so that its rows can be fetched in portions.
    ///
    /// ```
    /// # let mut conn = holdfast::Pool::echo(holdfast::PoolConfig::new())?.get()?;
    /// use holdfast::fallible_iterator::FallibleIterator;
    /// let mut tx = conn.transaction()?;
    /// let portal = tx.bind("echo:rows 5", &[])?;
    /// assert_eq!(tx.query_portal(&portal, 3)?.len(), 3);
    /// assert_eq!(tx.query_portal_raw(&portal, 3)?.count()?, 2);
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`query`](Self::query), where the statement cannot be begun.
    pub fn bind<T>(&mut self, query: &T, params: Params<'_>) -> Result<Portal>
    where
        T: ?Sized + ToStatement,
    {
        self.handle.bind_portal(query.__convert(), &params)
    }

    /// Fetches the next rows of a portal: at most `max_rows`, or all that are left if that is 0 or less. Blocks until they have
    /// come.
    ///
    /// # Errors
    /// The server's error, also when the portal's transaction is over.
    pub fn query_portal(&mut self, portal: &Portal, max_rows: i32) -> Result<Vec<Row>> {
        self.handle.fetch(portal, max_rows).map(|rows| rows.into_vec())
    }

    /// Like [`query_portal`](Self::query_portal), for rows that are read one by one while more are coming. Only requests
    /// them: their first error comes with the first row.
    ///
    /// # Errors
    /// The connection's error.
    pub fn query_portal_raw(&mut self, portal: &Portal, max_rows: i32) -> Result<RowIter<'_>> {
        RowIter::open_portal(self.handle.reborrow(), portal, max_rows)
    }

    /// Returns how many runs of the closure failed before this one: 0 in the first, and outside
    /// [`Pool::transaction`](crate::Pool::transaction).
    ///
    /// ```
    /// # let pool = holdfast::Pool::echo(holdfast::PoolConfig::new())?;
    /// let run = pool.transaction(|tx| Ok::<_, holdfast::Error>(tx.reruns() + 1))?;
    /// assert_eq!(run, 1);
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn reruns(&self) -> u32 {
        if let Level::OfThePool { before } = self.level { before } else { 0 }
    }

    /// Returns a handle with which any thread can cancel the statement that this transaction runs.
    pub fn cancel_handle(&self) -> CancelHandle {
        self.handle.cancel_handle()
    }

    /// Returns the same as [`cancel_handle`](Self::cancel_handle).
    pub fn cancel_token(&self) -> CancelHandle {
        self.cancel_handle()
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        let status = self.handle.link().transaction_status();
        let is_open = matches!(status, TransactionStatus::InTransaction | TransactionStatus::Failed);
        if self.is_ended || !is_open {
            return;
        }
        match &self.level {
            Level::Transaction => self.handle.raw().send_and_leave("ROLLBACK"),
            Level::Savepoint { name, .. } => {
                self.handle.raw().send_and_leave(&format!("ROLLBACK TO SAVEPOINT {name}"));
            }
            Level::OfThePool { .. } => {}
        }
    }
}

impl fmt::Debug for Transaction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction")
            .field("target", &self.handle.target())
            .field("reruns", &self.reruns())
            .finish_non_exhaustive()
    }
}

generic_client!(Transaction<'_>);
