//! The public handle of a pool.

use std::fmt;
use std::mem;
use std::panic::Location;
use std::sync::Arc;
#[cfg(feature = "http")]
use std::sync::Weak;
use std::time::{Duration, Instant};

use super::core::Core;
use super::lifecycle::acquire::Call;
use super::lifecycle::shutdown::CloseReport;
use super::pooled_connection::PooledConnection;
use super::telemetry::stats::Stats;
use crate::config::PoolConfig;
use crate::error::Result;
use crate::sql::{Params, Row, ToStatement};

/// The least time for the answer to a ping: zero would be none at all, for a connection that came at the last moment.
const MIN_PING: Duration = Duration::from_millis(1);

/// A pool of connections to one PostgreSQL target.
///
/// Making one opens nothing. Clones are handles of the same pool; when the last one is dropped, idle connections are
/// closed at once and checked-out ones as they come back. All methods may be called from any thread.
///
/// ```no_run
/// let pool = holdfast::Pool::from_url("postgresql://app@db/orders")?;
/// let rows = pool.query("select n, n * n from generate_series(1, $1::int4) n", &[&3i32])?;
/// assert_eq!(rows[2].get::<_, i32>(1), 9);
///
/// let mut conn = pool.get()?;
/// conn.batch_execute("create temp table seen (n int)")?;
/// drop(conn);
/// assert_eq!(pool.stats().idle, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Pool {
    pub(super) core: Arc<Core>,
    pub(super) _handle: Arc<Handle>,
}

/// A handle shared by all clones of a [`Pool`]. Dropping the last one shuts the pool.
pub(super) struct Handle(pub(super) Arc<Core>);

impl Drop for Handle {
    fn drop(&mut self) {
        if self.0.is_inherited() {
            // A child must not touch anything of its parent's pool, not even to free it.
            mem::forget(self.0.clone());
        } else {
            self.0.shut();
        }
    }
}

impl Pool {
    /// Makes a pool from a configuration. Opens no connection, except that `min_idle` above 0 is filled in the background.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) or [`ErrorKind::Tls`](crate::ErrorKind::Tls) when the configuration
    /// cannot work as it stands: the message names the option and what is allowed.
    ///
    /// ```
    /// let config = holdfast::PoolConfig::from_url("postgresql://app@db/orders")?.max_size(4);
    /// let pool = holdfast::Pool::new(config)?;
    /// assert_eq!((pool.target().as_str(), pool.stats().opens), ("db:5432", 0));
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn new(config: PoolConfig) -> Result<Self> {
        let core = Core::new(&config)?;
        core.refill();
        Ok(Self { _handle: Arc::new(Handle(core.clone())), core })
    }

    /// Makes a pool from a URL or a keyword string, over the defaults and the environment; see
    /// [`PoolConfig::from_url`].
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn from_url(url: &str) -> Result<Self> {
        Self::new(PoolConfig::from_url(url)?)
    }

    /// Makes a pool from the environment alone (`DATABASE_URL`, `PG*`, `HOLDFAST_*`); see [`PoolConfig::from_env`].
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    ///
    /// ```no_run
    /// let pool = holdfast::Pool::from_env()?; // reads DATABASE_URL, or PGHOST, PGUSER and so on
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn from_env() -> Result<Self> {
        Self::new(PoolConfig::from_env()?)
    }

    /// Makes a pool that needs no server: its connections lead to a stand-in within this process, which answers statements with
    /// themselves. For tests of programs that use a pool. Everything else is real: queueing, deadlines, cancelling, the life of
    /// connections. Options about reaching a server are ignored; the target is `echo`. Each connection has a thread of its own,
    /// which ends with it.
    ///
    /// The stand-in answers:
    ///
    /// - A statement with parameters: one row of them, columns `p1`, `p2` and so on, of the types given, else `text`. They
    ///   come back in the format asked for; between text and binary they are translated where the type is one that
    ///   [`ResultFormat::Automatic`](crate::session::ResultFormat::Automatic) has in binary, or text.
    /// - Any other statement: one row with its text, in a column `sql`.
    /// - `begin`, `start transaction`, `commit`, `end`, `rollback`, `abort`, `savepoint`, `release` and `rollback to`: as a
    ///   server does, with its errors and warnings.
    /// - `echo:rows N`: N rows of a number `n` (int4, from 1 on) and a text `word` (`row 1`).
    /// - `echo:error SQLSTATE text`: that error.
    /// - `echo:sleep MS`: its own text, after so many milliseconds; can be cancelled.
    /// - `echo:notice text`: a notice, and its own text.
    /// - `echo:notify channel payload`: a notification to this connection alone, and its own text.
    /// - `echo:drop`: the connection breaks.
    /// - A script: all of this for each of its statements, which `;` divides.
    ///
    /// It interprets nothing else; settings and COPY are texts like others.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    ///
    /// ```
    /// let pool = holdfast::Pool::echo(holdfast::PoolConfig::new().max_size(2))?;
    /// let row = pool.query_one("select whatever", &[])?;
    /// assert_eq!(row.get::<_, &str>("sql"), "select whatever");
    /// let error = pool.query("echo:error 23505 there is one already", &[]).unwrap_err();
    /// assert_eq!(error.sqlstate().unwrap().code(), "23505");
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn echo(config: PoolConfig) -> Result<Self> {
        let core = Core::echo(&config)?;
        core.refill();
        Ok(Self { _handle: Arc::new(Handle(core.clone())), core })
    }

    /// Checks out a connection. Blocks until one is idle or a new one is open: `connection_timeout` per attempt, with the
    /// configured retries of failures to connect in between.
    ///
    /// # Errors
    /// [`PoolTimeout`](crate::ErrorKind::PoolTimeout) when every connection stayed busy;
    /// [`Overloaded`](crate::ErrorKind::Overloaded), at once, when as many callers wait as `max_waiting` allows, or the queue
    /// goes so slowly that this caller's turn would come long after its deadline;
    /// [`PoolClosed`](crate::ErrorKind::PoolClosed); else what kept the last attempt from opening a connection, with all
    /// attempts in [`Error::attempts`](crate::Error::attempts).
    ///
    /// ```
    /// # let pool = holdfast::Pool::echo(holdfast::PoolConfig::new())?;
    /// let mut conn = pool.get()?;
    /// assert_eq!(conn.query_one("select $1", &[&"a value"])?.get::<_, &str>(0), "a value");
    /// drop(conn); // goes back to the pool
    /// assert_eq!(pool.stats().gets, 1);
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn get(&self) -> Result<PooledConnection> {
        self.core.get(Call::here())
    }

    /// Like [`get`](Self::get), with one limit over everything: queueing, opening, retries and the waits between.
    ///
    /// # Errors
    /// As for [`get`](Self::get).
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # let pool = holdfast::Pool::echo(holdfast::PoolConfig::new().max_size(1))?;
    /// let held = pool.get()?;
    /// let error = pool.get_timeout(Duration::from_millis(20)).unwrap_err();
    /// assert_eq!(error.kind(), holdfast::ErrorKind::PoolTimeout);
    /// assert_eq!(error.snapshot().unwrap().in_use, 1);
    /// pool.get_with(0, Some(Duration::from_millis(20))).unwrap_err(); // without retries
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    #[track_caller]
    pub fn get_timeout(&self, timeout: Duration) -> Result<PooledConnection> {
        self.core.get(Call { timeout: Some(timeout), ..Call::here() })
    }

    /// Like [`get`](Self::get), with as many retries as given here instead of `retry_max`, and a limit over everything
    /// if one is given.
    ///
    /// # Errors
    /// As for [`get`](Self::get).
    #[track_caller]
    pub fn get_with(&self, retries: u32, timeout: Option<Duration>) -> Result<PooledConnection> {
        self.core.get(Call { timeout, retries: Some(retries), ..Call::here() })
    }

    #[cfg(feature = "capi")]
    pub(crate) fn get_as(&self, call: Call) -> Result<PooledConnection> {
        self.core.get(call)
    }

    /// Checks out an idle connection if one is free now; opens none and does not queue. If the connection has to be validated
    /// first, that blocks for at most `validation_timeout`.
    ///
    /// # Errors
    /// [`PoolClosed`](crate::ErrorKind::PoolClosed).
    ///
    /// ```
    /// # let pool = holdfast::Pool::echo(holdfast::PoolConfig::new())?;
    /// assert!(pool.try_get()?.is_none()); // no connection is open yet
    /// drop(pool.get()?);
    /// assert!(pool.try_get()?.is_some());
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    #[track_caller]
    pub fn try_get(&self) -> Result<Option<PooledConnection>> {
        self.core.try_get(Some(Location::caller()))
    }

    /// Checks out a connection, runs a statement and returns the connection; see [`PooledConnection::query`].
    ///
    /// # Errors
    /// As for [`get`](Self::get), and the server's errors.
    ///
    /// ```
    /// # let pool = holdfast::Pool::echo(holdfast::PoolConfig::new())?;
    /// assert_eq!(pool.query("echo:rows 3", &[])?.len(), 3);
    /// assert_eq!(pool.query_one("select $1", &[&"a value"])?.get::<_, &str>(0), "a value");
    /// assert!(pool.query_opt("echo:rows 0", &[])?.is_none());
    /// assert_eq!(pool.execute("update item set price = $1", &[&"2.50"])?, 1);
    /// pool.batch_execute("create table item (id int); analyze item")?;
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    #[track_caller]
    pub fn query<T: ?Sized + ToStatement>(&self, sql: &T, params: Params<'_>) -> Result<Vec<Row>> {
        self.get()?.query(sql, params)
    }

    /// Like [`query`](Self::query), for exactly one row.
    ///
    /// # Errors
    /// Also when there is no row or more than one.
    #[track_caller]
    pub fn query_one<T: ?Sized + ToStatement>(&self, sql: &T, params: Params<'_>) -> Result<Row> {
        self.get()?.query_one(sql, params)
    }

    /// Like [`query`](Self::query), for one row or none.
    ///
    /// # Errors
    /// Also when there is more than one row.
    #[track_caller]
    pub fn query_opt<T: ?Sized + ToStatement>(&self, sql: &T, params: Params<'_>) -> Result<Option<Row>> {
        self.get()?.query_opt(sql, params)
    }

    /// Checks out a connection, runs a statement and returns the connection; the result is the number of rows changed.
    ///
    /// # Errors
    /// As for [`query`](Self::query).
    #[track_caller]
    pub fn execute<T: ?Sized + ToStatement>(&self, sql: &T, params: Params<'_>) -> Result<u64> {
        self.get()?.execute(sql, params)
    }

    /// Checks out a connection, runs one or more statements without parameters, and returns the connection.
    ///
    /// # Errors
    /// As for [`query`](Self::query).
    #[track_caller]
    pub fn batch_execute(&self, sql: &str) -> Result<()> {
        self.get()?.batch_execute(sql)
    }

    /// Returns all metrics of the pool, as of one moment. Costs two locks, and some hundred nanoseconds for each connection. In a
    /// forked child they are all zero.
    pub fn stats(&self) -> Stats {
        if self.core.is_inherited() {
            return Stats::new(Default::default(), Default::default());
        }
        self.core.stats()
    }

    /// Blocks until the pool has `connections` open connections, idle or checked out, and opens what is missing one after
    /// another: before a program reports that it is ready, so that its first callers do not wait for openings. The connections
    /// are idle afterwards; those beyond `min_idle` are closed after `idle_timeout`. Blocks for at most `timeout`.
    ///
    /// # Errors
    /// [`Misuse`](crate::ErrorKind::Misuse) for more than `max_size`; else as for [`get_timeout`](Self::get_timeout): the
    /// reason why one could not be opened in time. Connections that were opened until then stay.
    ///
    /// ```
    /// let pool = holdfast::Pool::echo(holdfast::PoolConfig::new().max_size(3))?;
    /// pool.wait_until_warm(2, std::time::Duration::from_secs(5))?;
    /// assert_eq!(pool.stats().idle, 2);
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    #[track_caller]
    pub fn wait_until_warm(&self, connections: u32, timeout: Duration) -> Result<()> {
        self.core.wait_until_warm(connections, timeout, Location::caller())
    }

    /// Sets the largest number of connections, in place of `max_size`: for a process that learns its share of a server while it
    /// runs. A larger pool lets waiters open at once. A smaller one closes surplus idle connections at once and others as they
    /// come back; until those are closed nothing is opened. What the server allows less than that stays in force, and so does the
    /// fleet's share. `min_idle` counts as far as it fits.
    ///
    /// Blocks at most for the moment in which room for more connections is made.
    ///
    /// # Errors
    /// [`Misuse`](crate::ErrorKind::Misuse) for 0, more than 10,000, and inside a callback of the library;
    /// [`PoolClosed`](crate::ErrorKind::PoolClosed).
    ///
    /// ```
    /// let pool = holdfast::Pool::echo(holdfast::PoolConfig::new().max_size(1))?;
    /// let first = pool.get()?;
    /// pool.set_max_size(2)?;
    /// let second = pool.get()?;
    /// pool.set_max_size(1)?;
    /// drop(first);
    /// assert_eq!((pool.stats().max_size, pool.stats().in_use), (1, 1));
    /// # drop(second);
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn set_max_size(&self, max_size: u32) -> Result<()> {
        self.core.set_max_size(max_size)
    }

    /// Checks out a connection, waits for the server's answer to an empty statement, and returns the connection: whether the
    /// database can be used now, where [`health`](Self::health) reports what is known already. Blocks for at most `timeout`.
    ///
    /// # Errors
    /// As for [`get_timeout`](Self::get_timeout); [`QueryTimeout`](crate::ErrorKind::QueryTimeout) when the server does not
    /// answer in time, and the loss of the connection.
    ///
    /// ```
    /// let pool = holdfast::Pool::echo(holdfast::PoolConfig::new())?;
    /// pool.ping(std::time::Duration::from_secs(1))?;
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    #[track_caller]
    pub fn ping(&self, timeout: Duration) -> Result<()> {
        let begun = Instant::now();
        let mut conn = self.get_timeout(timeout)?;
        conn.is_valid(timeout.saturating_sub(begun.elapsed()).max(MIN_PING))
    }

    /// Closes every idle connection now, `min_idle` or not, and returns how many those were. For a process that is about to
    /// be frozen (a function in a cloud between two calls, a container that is paused): its timers will stand still, and
    /// its connections would keep their slots on the server.
    ///
    /// Among them are connections that have come back and that the pool still uses itself, such as to end an open transaction;
    /// they are awaited. Checked-out connections are left alone, and so are those that come back or are opened meanwhile. The
    /// pool stays open: the next caller opens a connection, and with that `min_idle` is filled again.
    ///
    /// Blocks until the server has let go of them, for at most `settle_timeout`; connections that a server still holds then are
    /// cut.
    ///
    /// ```
    /// let pool = holdfast::Pool::echo(holdfast::PoolConfig::new())?;
    /// pool.batch_execute("select 1")?;
    /// assert_eq!(pool.release_idle(), 1);
    /// assert_eq!(pool.stats().total, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn release_idle(&self) -> u32 {
        if self.core.is_inherited() {
            return 0;
        }
        self.core.release_idle()
    }

    /// Closes the pool within the option `close_timeout`; see [`close_timeout`](Self::close_timeout).
    ///
    /// ```
    /// # let pool = holdfast::Pool::echo(holdfast::PoolConfig::new())?;
    /// let report = pool.close();
    /// assert_eq!((report.cancelled, report.cut, pool.is_closed()), (0, 0, true));
    /// assert_eq!(pool.get().unwrap_err().kind(), holdfast::ErrorKind::PoolClosed);
    /// pool.close_timeout(std::time::Duration::from_secs(1)); // with another limit; nothing is left to close here
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn close(&self) -> CloseReport {
        self.close_timeout(self.core.settings.close_timeout)
    }

    /// Closes the pool: new gets fail at once, waiters are woken with
    /// [`PoolClosed`](crate::ErrorKind::PoolClosed), idle connections are closed, checked-out ones are awaited. Shortly
    /// before the limit the server is asked to cancel running statements; at the limit the remaining connections are cut, so
    /// that calls blocked on them return. Blocks for at most `limit` (and a moment for cutting). Closing twice is harmless.
    ///
    /// Returns a report of what was done.
    pub fn close_timeout(&self, limit: Duration) -> CloseReport {
        if self.core.is_inherited() {
            return CloseReport::default();
        }
        self.core.close_within(limit)
    }

    /// Returns whether the pool was closed.
    pub fn is_closed(&self) -> bool {
        !self.core.is_inherited() && self.core.admission.is_closed()
    }

    /// Returns the server or servers of this pool, as `host:port`; no secrets.
    pub fn target(&self) -> String {
        self.core.connector.target()
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stats = self.stats();
        f.debug_struct("Pool")
            .field("target", &self.target())
            .field("total", &stats.total)
            .field("in_use", &stats.in_use)
            .field("max_size", &stats.max_size)
            .finish_non_exhaustive()
    }
}

/// A weak handle of a pool, which keeps neither the pool open nor its memory.
#[cfg(feature = "http")]
#[derive(Clone)]
pub(crate) struct WeakPool {
    core: Weak<Core>,
    handle: Weak<Handle>,
}

#[cfg(feature = "http")]
impl Pool {
    pub(crate) fn weak(&self) -> WeakPool {
        WeakPool { core: Arc::downgrade(&self.core), handle: Arc::downgrade(&self._handle) }
    }
}

#[cfg(feature = "http")]
impl WeakPool {
    /// Returns `None` when the last handle is gone.
    pub(crate) fn upgrade(&self) -> Option<Pool> {
        Some(Pool { _handle: self.handle.upgrade()?, core: self.core.upgrade()? })
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.handle.strong_count() == 0
    }
}
