//! Transactions that are run again after conflicts: the public methods, and the bodies they run.

use super::handle::Pool;
use super::lifecycle::acquire::Call;
use super::pooled_connection::PooledConnection;
#[cfg(feature = "capi")]
use super::submission::CheckoutHandle;
use super::transaction::run::{Body, Came, Transact};
use crate::error::{Error, Result};
use crate::session::TransactionOptions;
use crate::sql::Transaction;

impl Pool {
    /// Checks out a connection, runs `body` in a transaction, and commits if it returns `Ok`. If it returns `Err`, the
    /// transaction is rolled back, and the error returned.
    ///
    /// The body is **run again**, up to five times, after growing random waits (up to 10 ms, 20 ms and so on to 1 s), when
    /// the transaction was undone for a passing reason: the server reports a conflict with others (SQLSTATE 40001 or
    /// 40P01), in a statement or at COMMIT, even if the body handled that error; or the connection was lost before
    /// COMMIT was sent. So the body must not do work that cannot be done twice, such as sending a mail: do that after
    /// the transaction. [`transaction_with`](Self::transaction_with) changes all this.
    ///
    /// ```no_run
    /// # let pool = holdfast::Pool::from_url("postgresql://app@db/orders")?;
    /// # pool.batch_execute("create table stock (item int, n int); insert into stock values (7, 1)")?;
    /// let left = pool.transaction(|tx| -> holdfast::Result<i32> {
    ///     let left = tx.query_one("update stock set n = n - 1 where item = $1 returning n", &[&7i32])?;
    ///     Ok(left.get(0))
    /// })?;
    /// # assert_eq!(left, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The body's errors, and any that a [`holdfast::Error`](Error) can be made into: `?` takes the
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

    /// Like [`transaction`](Self::transaction), with `options`.
    ///
    /// ```no_run
    /// # let pool = holdfast::Pool::from_url("postgresql://app@db/orders")?;
    /// use std::time::Duration;
    /// use holdfast::{Isolation, TransactionOptions};
    ///
    /// let options = TransactionOptions::new().isolation(Isolation::Serializable).timeout(Duration::from_secs(2));
    /// pool.transaction_with(options, |tx| -> holdfast::Result<()> {
    ///     tx.batch_execute("create table seen (n int)")?;
    ///     Ok(())
    /// })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
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
        let transact = Transact::new(&self.core, &options, Call::default());
        transact.run(Typed { options: &options, body })
    }
}

/// A body that works with typed values.
struct Typed<'o, F> {
    options: &'o TransactionOptions,
    body: F,
}

impl<T, E, F> Body for Typed<'_, F>
where
    E: From<Error>,
    F: FnMut(&mut Transaction<'_>) -> Result<T, E>,
{
    type Value = T;
    type Error = E;

    fn run(&mut self, mut conn: PooledConnection, before: u32) -> Result<Came<T, E>, E> {
        let came = match conn.begin_for_pool(self.options, before) {
            Ok(mut transaction) => (self.body)(&mut transaction),
            Err(error) => Err(error.into()),
        };
        Ok((conn, came))
    }
}

/// A body that works on the raw session.
#[cfg(feature = "capi")]
struct RawBody<F> {
    begin: String,
    body: F,
}

#[cfg(feature = "capi")]
impl CheckoutHandle {
    /// Like [`Pool::transaction_with`], for a body that works on the raw session. It takes the connection over and gives it
    /// back with its result; or fails alone, if the connection is lost.
    pub(crate) fn transaction<T, E: From<Error>>(
        &self,
        call: Call,
        options: &TransactionOptions,
        body: impl FnMut(PooledConnection) -> Result<Came<T, E>, E>,
    ) -> Result<T, E> {
        Transact::new(self.core(), options, call).run(RawBody { begin: options.begin(), body })
    }
}

#[cfg(feature = "capi")]
impl<T, E, F> Body for RawBody<F>
where
    E: From<Error>,
    F: FnMut(PooledConnection) -> Result<Came<T, E>, E>,
{
    type Value = T;
    type Error = E;

    fn run(&mut self, mut conn: PooledConnection, _: u32) -> Result<Came<T, E>, E> {
        match conn.ask(&self.begin) {
            Ok(_) => (self.body)(conn),
            Err(error) => Ok((conn, Err(error.into()))),
        }
    }
}
pub(crate) mod commit_outcome;
pub(crate) mod idempotent;
pub(crate) mod run;
