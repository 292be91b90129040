//! A checked-out connection.

mod sql_methods;

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use postgres::Client;

use crate::error::{Error, Result};
use crate::link::cancel::CancelHandle;
use crate::link::{Encryption, Link};
use crate::observe::checkout::Place;
use crate::pool::connection::server_connection::{OpenConnection, Parked};
use crate::pool::core::Core;
use crate::session::RawSession;

/// A connection checked out of a [`Pool`](crate::Pool); returned when dropped.
///
/// Its methods have the names and shapes of `postgres::Client`, so that code written for one compiles with another type. The
/// connection is cleaned before the next caller gets it: an open or failed transaction is rolled back, an unfinished result or COPY
/// is cancelled and drained, a session that listens is made to stop (`UNLISTEN *`), `client_encoding` is UTF-8 again, a cancel
/// request that is still under way is waited for; all off this thread. Other session settings (`SET`, advisory locks, temporary
/// tables) stay unless the option `session_reset` is on: reset what you set, or [`discard`](Self::discard) the connection.
///
/// Dropping never blocks on the network.
///
/// ```no_run
/// # let pool = holdfast::Pool::from_url("postgresql://app@db/orders")?;
/// # pool.batch_execute("create table stock (item int, n int); insert into stock values (7, 1)")?;
/// let mut conn = pool.get()?;
/// conn.set_deadline(Some(std::time::Duration::from_secs(2)));
/// let mut tx = conn.transaction()?;
/// tx.execute("update stock set n = n - 1 where item = $1", &[&7i32])?;
/// tx.commit()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct PooledConnection {
    /// Always `Some` until `drop` takes it.
    conn: Option<Parked>,
    pub(in crate::pool) core: Arc<Core>,
    /// Given to `on_connect`: the connection is still being opened, and is not checked out.
    for_set_up: bool,
}

impl PooledConnection {
    /// Begins a checkout; `waited` is the time that its caller waited for it.
    #[inline]
    pub(in crate::pool) fn new(
        core: Arc<Core>,
        mut conn: Parked,
        place: Option<Place>,
        waited: Duration,
    ) -> Self {
        conn.was_checked_out = true;
        core.begin_checkout(&conn, place, waited);
        Self { conn: Some(conn), core, for_set_up: false }
    }

    /// Gives a connection to `on_connect`. It is in no checkout.
    pub(in crate::pool) fn for_set_up(core: Arc<Core>, conn: Parked) -> Self {
        Self { conn: Some(conn), core, for_set_up: true }
    }

    /// Takes a connection back from `on_connect`; `None` for one that was not given to it.
    pub(in crate::pool) fn end_set_up(mut self) -> Option<Parked> {
        if self.for_set_up { self.conn.take() } else { None }
    }

    pub(in crate::pool) fn conn(&self) -> &Parked {
        self.conn.as_ref().unwrap_or_else(|| unreachable!("only drop and discard take the connection out"))
    }

    pub(crate) fn link(&self) -> &Link {
        &self.conn().link
    }

    pub(in crate::pool) fn conn_mut(&mut self) -> &mut Parked {
        self.conn.as_mut().unwrap_or_else(|| unreachable!("only drop and discard take the connection out"))
    }

    /// Returns the shared state of the pool, and the connection.
    #[inline]
    pub(in crate::pool) fn parts(&mut self) -> (&Arc<Core>, &mut Parked) {
        let conn = self.conn.as_mut();
        (&self.core, conn.unwrap_or_else(|| unreachable!("only drop and discard take the connection out")))
    }

    /// Returns a client of the `postgres` crate on the same session, for code written for one. Open or unfinished results of
    /// this connection are ended first.
    ///
    /// The guards of that crate (`postgres::Transaction`, its rows, its COPY) wait for the server when they are dropped. Where
    /// nothing else limits that, [`set_deadline`](Self::set_deadline) and the option `statement_deadline` do; the guards of
    /// this connection itself wait for nothing.
    ///
    /// # Errors
    /// The reason why the client cannot be made.
    ///
    /// ```
    /// # let mut conn = holdfast::Pool::echo(holdfast::PoolConfig::new())?.get()?;
    /// let client: &mut holdfast::postgres::Client = conn.client()?;
    /// assert_eq!(client.query_one("select $1", &[&"a value"])?.get::<_, &str>(0), "a value");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn client(&mut self) -> Result<&mut Client> {
        if self.conn().session.is_unfinished() {
            self.end_what_was_left_open();
        }
        if self.conn().link.is_busy() && !self.conn().has_guest() {
            return Err(Error::misuse("a result of this connection is still being read"));
        }
        self.conn_mut().guest()
    }

    #[cold]
    fn end_what_was_left_open(&mut self) {
        let OpenConnection { link, cancel, session, .. } = &mut **self.conn_mut();
        RawSession::new(link, cancel, session).end_open_exchange();
    }

    /// Limits every statement from now until the connection is returned; `None` lifts the limit. A statement that runs
    /// past it fails with [`ErrorKind::QueryTimeout`](crate::ErrorKind::QueryTimeout), in any state of the server or the
    /// network; the connection is then lost, since its answer may still be on the way, and the server is asked to cancel.
    ///
    /// The default is the option `statement_deadline`.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # let mut conn = holdfast::Pool::echo(holdfast::PoolConfig::new())?.get()?;
    /// conn.set_deadline(Some(Duration::from_millis(50)));
    /// let error = conn.query("echo:sleep 60000", &[]).unwrap_err();
    /// assert_eq!(error.kind(), holdfast::ErrorKind::QueryTimeout);
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn set_deadline(&mut self, limit: Option<Duration>) {
        let conn = self.conn_mut();
        conn.link.set_statement_limit(limit);
        conn.deadline_changed = true;
    }

    /// Returns a handle with which any thread can cancel the statement that runs on this connection.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # let mut conn = holdfast::Pool::echo(holdfast::PoolConfig::new())?.get()?;
    /// let cancel = conn.cancel_handle();
    /// let canceller = std::thread::spawn(move || {
    ///     std::thread::sleep(Duration::from_millis(100));
    ///     cancel.cancel()
    /// });
    /// let error = conn.query("echo:sleep 60000", &[]).unwrap_err();
    /// assert_eq!(error.kind(), holdfast::ErrorKind::Canceled);
    /// canceller.join().unwrap()?;
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn cancel_handle(&self) -> CancelHandle {
        let conn = self.conn();
        conn.cancel.for_present_checkout(&conn.checkouts)
    }

    /// Returns the same as [`cancel_handle`](Self::cancel_handle), under the name that `postgres::Client` has for it.
    pub fn cancel_token(&self) -> CancelHandle {
        self.cancel_handle()
    }

    /// The raw view of this connection: results as text or binary in one block, scripts of several statements, streams,
    /// COPY, notifications, without conversions. It borrows the connection; the typed API, a guest client and this view may
    /// be used in turn. A stream or COPY of this view that is open, or was dropped before its end, is ended by the next call
    /// of any of them: see [`RawSession`].
    ///
    /// # Errors
    /// [`Misuse`](crate::ErrorKind::Misuse) while a result of the guest client or of this view is partially read.
    ///
    /// ```
    /// # let mut conn = holdfast::Pool::echo(holdfast::PoolConfig::new())?.get()?;
    /// let results = conn.raw()?.script("select 1; echo:rows 2")?;
    /// assert_eq!(results[1].text(1, 1).as_deref(), Some("row 2"));
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn raw(&mut self) -> Result<RawSession<'_>> {
        self.make_raw_ready()?;
        let OpenConnection { link, cancel, session, .. } = &mut **self.conn_mut();
        Ok(RawSession::new(link, cancel, session))
    }

    /// Checks that the session can be used: no result of the guest client is being read.
    #[inline]
    pub(in crate::pool) fn make_raw_ready(&mut self) -> Result<()> {
        let conn = self.conn_mut();
        if !conn.session.is_unfinished() && conn.link.is_busy() {
            return Err(Error::misuse("a result of this connection is still being read"));
        }
        Ok(())
    }

    /// Closes this connection instead of returning it; the pool opens another when one is needed.
    ///
    /// ```
    /// # let pool = holdfast::Pool::echo(holdfast::PoolConfig::new())?;
    /// pool.get()?.discard(); // its session is closed, and not used again
    /// assert_eq!(pool.stats().idle, 0);
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn discard(mut self) {
        if let Some(conn) = self.conn.take() {
            if self.core.is_inherited() {
                mem::forget(conn);
            } else if self.for_set_up {
                conn.link.retire();
            } else {
                conn.checkouts.end_checkout();
                self.core.end_checkout(&conn);
                self.core.discard(conn);
            }
        }
    }

    /// Returns the server's process id for this session, as in `pg_stat_activity`.
    ///
    /// ```
    /// # let mut conn = holdfast::Pool::echo(holdfast::PoolConfig::new())?.get()?;
    /// conn.execute("echo:error 23505 there is one already", &[]).unwrap_err();
    /// assert_eq!(conn.last_sqlstate().as_deref(), Some("23505"));
    /// assert_eq!((conn.target(), conn.backend_pid()), ("echo", Some(1)));
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn backend_pid(&self) -> Option<u32> {
        self.conn().link.backend_key().map(|key| key.process_id)
    }

    /// Returns the SQLSTATE of the last error that the server sent on this connection, whatever its cause.
    pub fn last_sqlstate(&self) -> Option<String> {
        self.conn().link.last_sqlstate()
    }

    /// Emits the notices so far as events, so that the next request on this connection starts with none.
    #[cfg(feature = "capi")]
    pub(crate) fn tell_notices(&mut self) {
        let (core, conn) = self.parts();
        core.tell_notices(conn);
    }

    /// Returns the server of this connection, as `host:port` or a socket path.
    pub fn target(&self) -> &str {
        &self.conn().target
    }

    /// Returns the role that the session was opened as.
    pub fn user(&self) -> &str {
        self.core.connector.user()
    }

    /// Returns the database that the session was opened in.
    pub fn dbname(&self) -> &str {
        self.core.connector.dbname()
    }

    /// Returns a setting as the server reported it last: `server_version`, `TimeZone`, `in_hot_standby` and
    /// [others](https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-ASYNC). Names are case-sensitive. `None` for
    /// one that the server does not report, and for a value of more than some 100 bytes that a statement has set. The server is
    /// not asked.
    ///
    /// ```
    /// # let conn = holdfast::Pool::echo(holdfast::PoolConfig::new())?.get()?;
    /// assert!(conn.parameter("server_version").is_some());
    /// assert_eq!(conn.parameter("work_mem"), None, "servers do not report it");
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn parameter(&self, name: &str) -> Option<String> {
        self.conn().parameter(name)
    }

    /// Returns the negotiated TLS; `None` on a plain connection.
    pub fn encryption(&self) -> Option<Encryption> {
        self.conn().link.encryption()
    }
}

impl Drop for PooledConnection {
    #[inline]
    fn drop(&mut self) {
        let Some(conn) = self.conn.take() else { return };
        if self.core.is_inherited() {
            // The sockets, and the epoll set behind the client, are shared with the parent: even closing would affect it.
            mem::forget(conn);
            mem::forget(self.core.clone());
            return;
        }
        if self.for_set_up {
            // It never came to be checked out: its opening fails.
            return conn.link.retire();
        }
        self.core.end_checkout(&conn);
        self.core.give_back(conn);
    }
}

impl fmt::Debug for PooledConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PooledConnection")
            .field("target", &self.target())
            .field("backend_pid", &self.backend_pid())
            .finish_non_exhaustive()
    }
}
