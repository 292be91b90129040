//! A connection on loan.

use std::fmt;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use postgres::types::ToSql;
use postgres::{Client, Row, Statement};

use super::cached::{Cached, explain};
use super::inner::Inner;
use super::open_connection::{OpenConnection, Parked};
use super::stats::CloseReason;
use crate::error::{Error, Result};
use crate::link::Link;
use crate::link::cancel::CancelHandle;
use crate::observe::loan::Place;
use crate::session::Lane;

/// Query parameters, as [`postgres::Client`] takes them.
pub type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

/// A connection borrowed from a [`Pool`](crate::Pool); goes back when dropped.
///
/// It dereferences to [`postgres::Client`], whose whole API is there: transactions, COPY, notifications. What the
/// borrower leaves behind is cleaned up before the next one gets the connection: an open or failed transaction is
/// rolled back, an unfinished result or COPY is cancelled and drained, a session that was told to listen does so no longer
/// (`UNLISTEN *`), a cancel request that is still under way is waited for; all off this thread. Session settings (`SET`,
/// advisory locks, temporary tables) stay: reset what you set, or [`discard`](Self::discard) the connection.
///
/// Dropping never blocks on the network.
///
#[cfg_attr(feature = "embedded", doc = "```")]
#[cfg_attr(not(feature = "embedded"), doc = "```ignore")]
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = holdfast::embedded::EmbeddedPostgres::start()?;
/// # let url = server.url();
/// # let pool = holdfast::Pool::from_url(&url)?;
/// # pool.batch_execute("create table stock (item int, n int); insert into stock values (7, 1)")?;
/// let mut conn = pool.get()?;
/// conn.set_deadline(Some(std::time::Duration::from_secs(2)));
/// let mut tx = conn.transaction()?;
/// tx.execute("update stock set n = n - 1 where item = $1", &[&7i32])?;
/// tx.commit()?;
/// # Ok(()) }
/// ```
pub struct PooledConnection {
    /// Always there until `drop` takes it.
    conn: Option<Parked>,
    pub(super) inner: Arc<Inner>,
}

impl PooledConnection {
    /// `waited`: how long its borrower did for it.
    #[inline]
    pub(super) fn new(inner: Arc<Inner>, conn: Parked, place: Option<Place>, waited: Duration) -> Self {
        inner.begin_loan(&conn, place, waited);
        Self { conn: Some(conn), inner }
    }

    fn conn(&self) -> &Parked {
        self.conn.as_ref().unwrap_or_else(|| unreachable!("only drop and discard take the connection out"))
    }

    pub(crate) fn link(&self) -> &Link {
        &self.conn().link
    }

    pub(super) fn conn_mut(&mut self) -> &mut Parked {
        self.conn.as_mut().unwrap_or_else(|| unreachable!("only drop and discard take the connection out"))
    }

    /// The client, with nothing of the lane in its way.
    #[inline]
    fn client_mut(&mut self) -> &mut Client {
        if self.conn().lane.is_unfinished() {
            self.end_what_the_lane_left();
        }
        &mut self.conn_mut().client
    }

    #[cold]
    fn end_what_the_lane_left(&mut self) {
        let OpenConnection { link, cancel, lane, .. } = &mut **self.conn_mut();
        Lane::new(link, cancel, lane).make_way();
    }

    /// Limits every statement from now until the connection goes back; `None` lifts the limit. A statement that runs
    /// past it fails with [`ErrorKind::QueryTimeout`](crate::ErrorKind::QueryTimeout) whatever the server or the network
    /// does; the connection is then lost, since its answer may still be on the way, and the server is asked to cancel.
    ///
    /// The default is the option `statement_deadline`.
    pub fn set_deadline(&mut self, limit: Option<Duration>) {
        let conn = self.conn_mut();
        conn.link.set_statement_limit(limit);
        conn.deadline_changed = true;
    }

    /// Something with which any thread can cancel what this connection is doing.
    pub fn cancel_handle(&self) -> CancelHandle {
        let conn = self.conn();
        conn.cancel.for_present_loan(&conn.loans)
    }

    /// The same as [`cancel_handle`](Self::cancel_handle). It stands in front of `postgres::Client::cancel_token`, whose
    /// token would not reach the server: the client does not know the address of the connection it was given.
    pub fn cancel_token(&self) -> CancelHandle {
        self.cancel_handle()
    }

    fn cached(&mut self) -> Cached<'_, Client> {
        self.client_mut();
        let OpenConnection { client, statements, link, target, .. } = &mut **self.conn_mut();
        Cached { client, statements, link, target }
    }

    /// The direct lane of this connection: results as text or binary in one block, scripts of several statements,
    /// streams, COPY, notifications. The client is out of reach while the lane is borrowed; both may be used in turn. What
    /// the client is used for ends a stream or a COPY of the lane that is open, or was dropped before its end: see [`Lane`].
    ///
    /// # Errors
    /// [`Misuse`](crate::ErrorKind::Misuse) while a result of the client or of the lane is read half-way.
    pub fn lane(&mut self) -> Result<Lane<'_>> {
        let conn = self.conn_mut();
        if !conn.lane.is_unfinished() && conn.link.is_busy() {
            return Err(Error::misuse("a result of this connection is still being read"));
        }
        Ok(Lane::new(&conn.link, &conn.cancel, &mut conn.lane))
    }

    /// Closes this connection instead of giving it back; the pool opens another when one is needed.
    pub fn discard(mut self) {
        if let Some(conn) = self.conn.take() {
            if self.inner.is_inherited() {
                mem::forget(conn);
            } else {
                conn.loans.end_loan();
                self.inner.end_loan(&conn);
                self.inner.retire(conn, CloseReason::Discarded);
            }
        }
    }

    /// The server's process id for this session, as in `pg_stat_activity`.
    pub fn backend_pid(&self) -> Option<u32> {
        self.conn().link.backend_key().map(|key| key.process_id)
    }

    /// SQLSTATE of the last error the server sent on this connection, whoever caused it.
    pub fn last_sqlstate(&self) -> Option<String> {
        self.conn().link.last_sqlstate()
    }

    /// The server this connection leads to, as `host:port` or a socket path.
    pub fn target(&self) -> &str {
        &self.conn().target
    }

    /// How many prepared statements this connection holds in its cache.
    pub fn cached_statements(&self) -> usize {
        self.conn().statements.len()
    }

    /// A prepared statement for `sql` out of this connection's cache, prepared now if it is not there. With
    /// `statement_cache=0` it is prepared anew each time.
    ///
    /// # Errors
    /// What the server says to the text.
    pub fn prepare_cached(&mut self, sql: &str) -> Result<Statement> {
        self.cached().prepare(sql)
    }

    /// Runs a query through the statement cache and returns its rows. A cached statement that no longer fits because a
    /// table changed is prepared anew, without the caller noticing.
    ///
    /// # Errors
    /// What the server says; [`ErrorKind::QueryTimeout`](crate::ErrorKind::QueryTimeout) past the deadline.
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

    pub(super) fn batch(&mut self, sql: &str) -> Result<()> {
        let done = self.client_mut().batch_execute(sql);
        done.map_err(|e| self.explain(e))
    }

    /// An error of a statement, with where it happened.
    fn explain(&self, error: postgres::Error) -> Error {
        explain(error, self.link(), self.target())
    }
}

impl OpenConnection {
    /// Whether the client takes no more statements, for reasons of its own: the link may be in order.
    #[inline]
    pub(super) fn client_has_given_up(&self) -> bool {
        self.client.is_closed()
    }

    /// Has the client read what it left half-way, under the link's deadline. Its answer may be the error of a statement that
    /// was cancelled or its own; what counts is the link's state afterwards.
    pub(super) fn finish_what_the_client_left(&mut self) {
        let _ = self.client.batch_execute("");
        if self.link.is_busy() {
            let _ = self.client.batch_execute("");
        }
    }
}

impl Deref for PooledConnection {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.conn().client
    }
}

impl DerefMut for PooledConnection {
    fn deref_mut(&mut self) -> &mut Client {
        self.client_mut()
    }
}

impl Drop for PooledConnection {
    #[inline]
    fn drop(&mut self) {
        let Some(conn) = self.conn.take() else { return };
        if self.inner.is_inherited() {
            // The sockets, and the epoll set behind the client, are the parent's too: even closing would be felt there.
            mem::forget(conn);
            mem::forget(self.inner.clone());
            return;
        }
        self.inner.end_loan(&conn);
        self.inner.give_back(conn);
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
