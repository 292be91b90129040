//! The typed API of a checked-out connection.

use std::time::Duration;

use super::PooledConnection;
use crate::error::Result;
use crate::pool::connection::server_connection::OpenConnection;
use crate::session::{RawSession, TransactionOptions};
use crate::sql::{Context, Handle, Notifications, Transaction, TransactionBuilder};
use crate::sql::{client_methods, generic_client};

/// The server's answer to a statement of the pool's own.
#[derive(Debug, Default)]
pub(in crate::pool) struct SimpleResult {
    /// `None` for an empty text.
    pub(in crate::pool) tag: Option<String>,
    /// The values of the first row.
    pub(in crate::pool) row: Vec<Option<String>>,
}

impl PooledConnection {
    #[inline]
    fn handle(&mut self) -> Result<Handle<'_>> {
        self.make_raw_ready()?;
        let (core, conn) = self.parts();
        let OpenConnection { link, cancel, session, target, checkouts, .. } = &mut **conn;
        Ok(Handle::new(
            RawSession::new(link, cancel, session),
            Context { catalog: &core.catalog, target, checkouts },
        ))
    }

    client_methods!();

    /// Begins a transaction. Blocks for a round trip.
    ///
    /// # Errors
    /// The server's error; [`Misuse`](crate::ErrorKind::Misuse) when a transaction is open on the connection.
    ///
    /// ```
    /// # let mut conn = holdfast::Pool::echo(holdfast::PoolConfig::new())?.get()?;
    /// let mut tx = conn.transaction()?;
    /// tx.execute("update account set balance = $1", &[&"12.50"])?;
    /// tx.commit()?;
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn transaction(&mut self) -> Result<Transaction<'_>> {
        self.build_transaction().start()
    }

    /// Begins a transaction with modes of its own, once they are set.
    ///
    /// ```
    /// use holdfast::IsolationLevel;
    /// # let mut conn = holdfast::Pool::echo(holdfast::PoolConfig::new())?.get()?;
    /// let tx = conn.build_transaction().isolation_level(IsolationLevel::Serializable).read_only(true).start()?;
    /// tx.commit()?;
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn build_transaction(&mut self) -> TransactionBuilder<'_> {
        TransactionBuilder::new(self.handle())
    }

    /// Begins a transaction for a body of the pool's, which the pool ends.
    pub(in crate::pool) fn begin_for_pool(
        &mut self,
        options: &TransactionOptions,
        before: u32,
    ) -> Result<Transaction<'_>> {
        Transaction::of_the_pool(self.handle()?, options, before)
    }

    /// Returns the notifications that `NOTIFY` sent to this connection. It has to listen: `conn.batch_execute("listen channel")`.
    ///
    /// ```
    /// use holdfast::fallible_iterator::FallibleIterator;
    /// # let mut conn = holdfast::Pool::echo(holdfast::PoolConfig::new())?.get()?;
    /// conn.batch_execute("echo:notify news of today")?;
    /// let notification = conn.notifications().iter().next()?.expect("it came with the reply");
    /// assert_eq!((notification.channel(), notification.payload()), ("news", "of today"));
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn notifications(&mut self) -> Notifications<'_> {
        Notifications::new(self.handle())
    }

    /// Asks the server for a sign of life. Blocks for a round trip, and at most for `timeout`.
    ///
    /// # Errors
    /// When the connection is unusable; also when no answer came in time, after which it is given up.
    ///
    /// ```
    /// # let mut conn = holdfast::Pool::echo(holdfast::PoolConfig::new())?.get()?;
    /// conn.is_valid(std::time::Duration::from_secs(1))?;
    /// conn.batch_execute("echo:drop").unwrap_err();
    /// assert!(conn.is_closed() && conn.check_connection().is_err());
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn is_valid(&mut self, timeout: Duration) -> Result<()> {
        let before = self.link().statement_limit();
        self.link().set_statement_limit(Some(timeout));
        let answered = self.batch_execute("");
        self.link().set_statement_limit(before);
        answered
    }

    /// Asks the server for a sign of life. Blocks for a round trip.
    ///
    /// # Errors
    /// When the connection is unusable.
    pub fn check_connection(&mut self) -> Result<()> {
        self.batch_execute("")
    }

    /// Returns whether the connection is known to have ended. Does not ask the server.
    pub fn is_closed(&self) -> bool {
        self.link().fault().is_some()
    }

    /// Forgets all user-defined types that the pool has looked up. Needed only where one was altered in a way that fails no
    /// statement, such as a new label of an enum.
    ///
    /// ```
    /// # let mut conn = holdfast::Pool::echo(holdfast::PoolConfig::new())?.get()?;
    /// conn.batch_execute("alter type mood add value 'calm'")?;
    /// conn.clear_type_cache();
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn clear_type_cache(&self) {
        self.core.catalog.forget_all(self.core.catalog.epoch());
    }

    /// Returns the number of prepared statements in this connection's cache.
    ///
    /// ```
    /// # let mut conn = holdfast::Pool::echo(holdfast::PoolConfig::new())?.get()?;
    /// conn.query("select $1", &[&"a value"])?;
    /// assert_eq!(conn.cached_statements(), 1);
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn cached_statements(&self) -> usize {
        self.conn().session.cached_statements()
    }

    /// Runs a short statement of the pool's own, in the simple protocol.
    pub(in crate::pool) fn ask(&mut self, sql: &str) -> Result<SimpleResult> {
        let asked = self.raw().and_then(|mut raw| raw.script(sql));
        let blocks = asked.map_err(|e| e.at_target(self.target()))?;
        let Some(block) = blocks.first() else { return Ok(SimpleResult::default()) };
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let columns = if block.rows() > 0 { block.columns().len() } else { 0 };
        let row = (0..columns).map(|column| block.cell(0, column).map(text)).collect();
        Ok(SimpleResult { tag: Some(block.command_tag().to_owned()), row })
    }
}

generic_client!(PooledConnection);
