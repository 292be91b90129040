//! Transactions that are run again when they meet others: what a user calls, and what the body gets.

use std::fmt;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};

use postgres::{IsolationLevel, Row, Statement};

use super::Pool;
use super::acquire::Call;
use super::cached::Cached;
use super::connection::{Params, PooledConnection};
#[cfg(feature = "capi")]
use super::lender::Lender;
use super::open_connection::OpenConnection;
use super::statements::StatementCache;
use super::transact::{Body, Came, Transact};
use super::voice::Voice;
use crate::error::{Error, Result};
use crate::link::Link;
use crate::link::cancel::CancelHandle;
use crate::link::loans::Loans;
use crate::session::{Isolation, TransactionOptions};

impl Pool {
    /// Borrows a connection, runs `body` in a transaction, and commits if it returns `Ok`. If it returns `Err`, the
    /// transaction is rolled back, and the error returned.
    ///
    /// The body is **run again**, up to five times, after growing random waits (up to 10 ms, 20 ms and so on to 1 s), when
    /// the transaction came to nothing for a reason that passes: the server says that it conflicted with others (SQLSTATE
    /// 40001 or 40P01), in a statement or at COMMIT, whatever the body made of that error; or the connection was lost before
    /// COMMIT was sent. So the body must not do what cannot be done twice, such as sending a mail: do that after the
    /// transaction. [`transaction_with`](Self::transaction_with) changes all this.
    ///
    #[cfg_attr(feature = "embedded", doc = "```")]
    #[cfg_attr(not(feature = "embedded"), doc = "```ignore")]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = holdfast::embedded::EmbeddedPostgres::start()?;
    /// # let url = server.url();
    /// # let pool = holdfast::Pool::from_url(&url)?;
    /// # pool.batch_execute("create table stock (item int, n int); insert into stock values (7, 1)")?;
    /// let left = pool.transaction(|tx| -> holdfast::Result<i32> {
    ///     let left = tx.query_one_cached("update stock set n = n - 1 where item = $1 returning n", &[&7i32])?;
    ///     Ok(left.get(0))
    /// })?;
    /// # assert_eq!(left, 0);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Those of the body, and any that a [`holdfast::Error`](Error) can be made into: `?` takes the driver's errors and the
    /// library's. Unless the kind is [`CommitUnknown`](crate::ErrorKind::CommitUnknown), nothing was committed.
    ///
    /// - As for [`get`](Self::get), when there was no connection for a run.
    /// - [`CommitUnknown`](crate::ErrorKind::CommitUnknown): the connection was lost after COMMIT was sent and before its
    ///   answer came. Never run again; see [`resolve_commit`](TransactionOptions::resolve_commit).
    /// - [`Database`](crate::ErrorKind::Database) without a SQLSTATE: the body returned `Ok` although a statement had failed
    ///   the transaction.
    /// - [`Misuse`](crate::ErrorKind::Misuse): the body ended the transaction by itself.
    /// - [`QueryTimeout`](crate::ErrorKind::QueryTimeout): the time was over before COMMIT was sent.
    ///
    /// # Panics
    /// When the body does; its transaction is rolled back.
    pub fn transaction<T, E: From<Error>>(
        &self,
        body: impl FnMut(&mut Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.transaction_with(TransactionOptions::new(), body)
    }

    /// Like [`transaction`](Self::transaction), run as `options` say.
    ///
    #[cfg_attr(feature = "embedded", doc = "```")]
    #[cfg_attr(not(feature = "embedded"), doc = "```ignore")]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = holdfast::embedded::EmbeddedPostgres::start()?;
    /// # let url = server.url();
    /// # let pool = holdfast::Pool::from_url(&url)?;
    /// use std::time::Duration;
    /// use holdfast::{Isolation, TransactionOptions};
    ///
    /// let options = TransactionOptions::new().isolation(Isolation::Serializable).timeout(Duration::from_secs(2));
    /// pool.transaction_with(options, |tx| -> holdfast::Result<()> {
    ///     tx.batch_execute("create table seen (n int)")?;
    ///     Ok(())
    /// })?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As for [`transaction`](Self::transaction).
    ///
    /// # Panics
    /// As for [`transaction`](Self::transaction).
    pub fn transaction_with<T, E: From<Error>>(
        &self,
        options: TransactionOptions,
        body: impl FnMut(&mut Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let transact = Transact::new(&self.inner, &options, Call::default());
        transact.run(OnClient { options: &options, body })
    }
}

/// A transaction of [`Pool::transaction`], for its body: a [`postgres::Transaction`], savepoints and COPY included, and
/// statements out of the connection's cache. The pool ends it.
pub struct Transaction<'a> {
    /// Never ended by its drop, which would wait for the server.
    driver: ManuallyDrop<postgres::Transaction<'a>>,
    statements: &'a mut StatementCache,
    link: &'a Link,
    target: &'a str,
    cancel: &'a CancelHandle,
    loans: &'a Loans,
    before: u32,
}

impl<'a> Transaction<'a> {
    fn begin(conn: &'a mut PooledConnection, options: &TransactionOptions, before: u32) -> Result<Self> {
        let OpenConnection { client, statements, link, target, cancel, loans, .. } = &mut **conn.conn_mut();
        let mut builder = client.build_transaction();
        if let Some(isolation) = options.isolation {
            builder = builder.isolation_level(match isolation {
                Isolation::ReadCommitted => IsolationLevel::ReadCommitted,
                Isolation::RepeatableRead => IsolationLevel::RepeatableRead,
                Isolation::Serializable => IsolationLevel::Serializable,
            });
        }
        if let Some(read_only) = options.read_only {
            builder = builder.read_only(read_only);
        }
        if let Some(deferrable) = options.deferrable {
            builder = builder.deferrable(deferrable);
        }
        let begun = builder.start().map_err(|e| Error::from(e).at_target(target.as_str()))?;
        Ok(Self { driver: ManuallyDrop::new(begun), statements, link, target, cancel, loans, before })
    }

    fn cached(&mut self) -> Cached<'_, postgres::Transaction<'a>> {
        Cached { client: &mut self.driver, statements: self.statements, link: self.link, target: self.target }
    }

    /// How many runs of the body came to nothing before this one: 0 in the first.
    pub fn reruns(&self) -> u32 {
        self.before
    }

    /// Something with which any thread can cancel what this transaction is doing.
    pub fn cancel_handle(&self) -> CancelHandle {
        self.cancel.for_present_loan(self.loans)
    }

    /// The same as [`cancel_handle`](Self::cancel_handle); see [`PooledConnection::cancel_token`].
    pub fn cancel_token(&self) -> CancelHandle {
        self.cancel_handle()
    }

    /// As [`PooledConnection::prepare_cached`].
    ///
    /// # Errors
    /// What the server says to the text.
    pub fn prepare_cached(&mut self, sql: &str) -> Result<Statement> {
        self.cached().prepare(sql)
    }

    /// Runs a query through the connection's statement cache and returns its rows.
    ///
    /// # Errors
    /// What the server says; also that a cached statement does not fit any more because a table changed, after which the
    /// transaction has failed (outside of transactions that goes unnoticed).
    pub fn query_cached(&mut self, sql: &str, params: Params<'_>) -> Result<Vec<Row>> {
        self.cached().query(sql, params)
    }

    /// Like [`query_cached`](Self::query_cached), for exactly one row.
    ///
    /// # Errors
    /// Also when there is no row or more than one.
    pub fn query_one_cached(&mut self, sql: &str, params: Params<'_>) -> Result<Row> {
        self.cached().query_one(sql, params)
    }

    /// Like [`query_cached`](Self::query_cached), for one row or none.
    ///
    /// # Errors
    /// Also when there is more than one row.
    pub fn query_opt_cached(&mut self, sql: &str, params: Params<'_>) -> Result<Option<Row>> {
        self.cached().query_opt(sql, params)
    }

    /// Runs a statement through the cache and returns the number of rows it changed.
    ///
    /// # Errors
    /// As for [`query_cached`](Self::query_cached).
    pub fn execute_cached(&mut self, sql: &str, params: Params<'_>) -> Result<u64> {
        self.cached().execute(sql, params)
    }
}

impl<'a> Deref for Transaction<'a> {
    type Target = postgres::Transaction<'a>;

    fn deref(&self) -> &Self::Target {
        &self.driver
    }
}

impl DerefMut for Transaction<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.driver
    }
}

impl fmt::Debug for Transaction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction")
            .field("target", &self.target)
            .field("reruns", &self.before)
            .finish_non_exhaustive()
    }
}

/// A body that works through the driver.
struct OnClient<'o, F> {
    options: &'o TransactionOptions,
    body: F,
}

impl<T, E, F> Body for OnClient<'_, F>
where
    E: From<Error>,
    F: FnMut(&mut Transaction<'_>) -> Result<T, E>,
{
    type Value = T;
    type Error = E;
    const VOICE: Voice = Voice::Client;

    fn run(&mut self, mut conn: PooledConnection, before: u32) -> Result<Came<T, E>, E> {
        let came = match Transaction::begin(&mut conn, self.options, before) {
            Ok(mut transaction) => (self.body)(&mut transaction),
            Err(error) => Err(error.into()),
        };
        Ok((conn, came))
    }
}

/// A body that works on the direct lane.
#[cfg(feature = "capi")]
struct OnLane<F> {
    begin: String,
    body: F,
}

#[cfg(feature = "capi")]
impl Lender {
    /// Like [`Pool::transaction_with`], for a body that works on the direct lane. It takes the connection over and gives it
    /// back with what came of it; or fails alone, if the connection is not to be had any more.
    pub(crate) fn transaction<T, E: From<Error>>(
        &self,
        call: Call,
        options: &TransactionOptions,
        body: impl FnMut(PooledConnection) -> Result<Came<T, E>, E>,
    ) -> Result<T, E> {
        Transact::new(self.inner(), options, call).run(OnLane { begin: options.begin(), body })
    }
}

#[cfg(feature = "capi")]
impl<T, E, F> Body for OnLane<F>
where
    E: From<Error>,
    F: FnMut(PooledConnection) -> Result<Came<T, E>, E>,
{
    type Value = T;
    type Error = E;
    const VOICE: Voice = Voice::Lane;

    fn run(&mut self, mut conn: PooledConnection, _: u32) -> Result<Came<T, E>, E> {
        match conn.say(Voice::Lane, &self.begin) {
            Ok(_) => (self.body)(conn),
            Err(error) => Ok((conn, Err(error.into()))),
        }
    }
}
