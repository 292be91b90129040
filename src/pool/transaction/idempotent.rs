//! Idempotent statements: they may be repeated, since running them twice is the same as running them once.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Result, human, is_connection_failure};
use crate::pool::core::Core;
use crate::pool::handle::Pool;
use crate::pool::lifecycle::acquire::Call;
use crate::pool::lifecycle::retry_budget::BUDGET_IS_SPENT;
use crate::pool::pooled_connection::PooledConnection;
use crate::resilience::statement_retry::Repeats;
use crate::sql::{Params, Row, ToStatement};

/// A pool for statements that may be repeated; see [`Pool::idempotent`].
///
/// ```
/// # let pool = holdfast::Pool::echo(holdfast::PoolConfig::new())?;
/// let idempotent = pool.idempotent();
/// assert_eq!(idempotent.query("echo:rows 3", &[])?.len(), 3);
/// assert_eq!(idempotent.execute("update item set price = $1", &[&"2.50"])?, 1);
/// # Ok::<(), holdfast::Error>(())
/// ```
#[must_use = "nothing runs until one of its methods is called"]
#[derive(Debug, Clone, Copy)]
pub struct Idempotent<'a> {
    pool: &'a Pool,
}

impl Pool {
    /// Returns the same pool for **idempotent** statements: those for which it makes no difference whether they run once or several
    /// times, such as most `SELECT`s, `INSERT ... ON CONFLICT DO NOTHING`, or `UPDATE ... SET n = 5`.
    ///
    /// When the connection is lost under such a statement (the server restarts or ends the session, the network breaks), it is
    /// run again on another: at once, then up to `retry_max` times after the waits of retries. So a restart of the server goes
    /// unnoticed, if it is back before the retries are used up. Other statements are never repeated once they may have reached
    /// the server. A statement that ran past its deadline, was cancelled, or was refused by the server is not repeated.
    ///
    /// ```no_run
    /// # let pool = holdfast::Pool::from_url("postgresql://app@db/orders")?;
    /// pool.query_one("select 1", &[])?; // leaves a connection open, which the restart ends
    /// // Should the server restart here, the next statement runs on a new connection.
    /// let row = pool.idempotent().query_one("select 40 + $1::int4", &[&2i32])?;
    /// assert_eq!(row.get::<_, i32>(0), 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn idempotent(&self) -> Idempotent<'_> {
        Idempotent { pool: self }
    }
}

impl Idempotent<'_> {
    /// As [`Pool::query`].
    ///
    /// # Errors
    /// As there; the loss of the last connection, if all were lost. That one is retryable.
    #[track_caller]
    pub fn query<T: ?Sized + ToStatement>(&self, sql: &T, params: Params<'_>) -> Result<Vec<Row>> {
        self.run(|mut conn| conn.query(sql, params))
    }

    /// As [`Pool::query_one`].
    ///
    /// # Errors
    /// As for [`query`](Self::query); also when there is no row or more than one.
    #[track_caller]
    pub fn query_one<T: ?Sized + ToStatement>(&self, sql: &T, params: Params<'_>) -> Result<Row> {
        self.run(|mut conn| conn.query_one(sql, params))
    }

    /// As [`Pool::query_opt`].
    ///
    /// # Errors
    /// As for [`query`](Self::query); also when there is more than one row.
    #[track_caller]
    pub fn query_opt<T: ?Sized + ToStatement>(&self, sql: &T, params: Params<'_>) -> Result<Option<Row>> {
        self.run(|mut conn| conn.query_opt(sql, params))
    }

    /// As [`Pool::execute`]. The number of rows is that of the run that was answered: an earlier one may have changed them
    /// before.
    ///
    /// # Errors
    /// As for [`query`](Self::query).
    #[track_caller]
    pub fn execute<T: ?Sized + ToStatement>(&self, sql: &T, params: Params<'_>) -> Result<u64> {
        self.run(|mut conn| conn.execute(sql, params))
    }

    /// As [`Pool::batch_execute`]: the whole text is repeated.
    ///
    /// # Errors
    /// As for [`query`](Self::query).
    #[track_caller]
    pub fn batch_execute(&self, sql: &str) -> Result<()> {
        self.run(|mut conn| conn.batch_execute(sql))
    }

    #[track_caller]
    fn run<T>(&self, work: impl FnMut(PooledConnection) -> Result<T>) -> Result<T> {
        self.pool.repeat_lost(Call::here(), work)
    }
}

impl Pool {
    /// Checks out a connection for `work`, and another when the connection was lost under it. `call` is for each checkout, its
    /// limit over all.
    pub(crate) fn repeat_lost<T>(
        &self,
        call: Call,
        work: impl FnMut(PooledConnection) -> Result<T>,
    ) -> Result<T> {
        let end = call.timeout.and_then(|limit| Instant::now().checked_add(limit));
        self.core.repeat_lost(call, end, work)
    }
}

impl Core {
    fn repeat_lost<T>(
        self: &Arc<Self>,
        mut call: Call,
        end: Option<Instant>,
        mut work: impl FnMut(PooledConnection) -> Result<T>,
    ) -> Result<T> {
        let mut repeats = self.repeats(call.retries, end);
        loop {
            // A failure here has been retried as often as it may be.
            let conn = self.get(call)?;
            let error = match work(conn) {
                // What does not fit into memory will not fit the next time either.
                Err(error)
                    if is_connection_failure(error.kind()) && error.kind() != ErrorKind::LocalLimit =>
                {
                    error
                }
                done => return done,
            };
            thread::sleep(self.wait_to_repeat(&mut repeats, error)?);
            call.timeout = end.map(|end| end.saturating_duration_since(Instant::now()));
        }
    }

    pub(in crate::pool) fn repeats(&self, retries: Option<u32>, end: Option<Instant>) -> Repeats {
        let mut backoff = self.backoff.clone();
        backoff.retries = retries.unwrap_or(backoff.retries);
        Repeats::new(backoff, end)
    }

    /// Returns the wait before a statement whose connection was lost is run again; or the error when it is not.
    pub(in crate::pool) fn wait_to_repeat(&self, repeats: &mut Repeats, error: Error) -> Result<Duration> {
        let Some(wait) = repeats.next(Instant::now()) else {
            return Err(lost_for_good(error, repeats));
        };
        if !self.may_retry() {
            return Err(lost_for_good(error, repeats).with_note(BUDGET_IS_SPENT.to_owned()));
        }
        self.log_repetition(&error, wait);
        Ok(wait)
    }

    fn log_repetition(&self, error: &Error, wait: Duration) {
        self.log.info(
            &[("kind", error.kind().name().into()), ("wait_ms", (wait.as_millis() as u64).into())],
            format_args!(
                "a statement that may be repeated is run again in {}: {}",
                human(wait),
                error.summary()
            ),
        );
    }
}

/// Returns the error to report when there is no further repetition.
fn lost_for_good(error: Error, repeats: &Repeats) -> Error {
    let error = error.set_retryable(true);
    match repeats.made() {
        0 => error,
        made => error.with_note(format!("the statement may be repeated and was run {} times", made + 1)),
    }
}
