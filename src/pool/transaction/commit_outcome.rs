//! Finding out what became of a commit whose answer was lost, by asking the server on another connection.
//!
//! `pg_xact_status` knows a transaction by its id, and an id means something only within one history of one server. So what
//! answers must go on with the history in which the transaction was begun, by three signs:
//!
//! - The **system identifier** (`pg_control_system`), which each cluster is given when it is made, and its copies share.
//! - The **timeline** in which it writes (the first digits of the name of its WAL file; `pg_control_checkpoint` still has the
//!   old one for a while after a promotion). A standby that was promoted begins a new one. What had not reached it by then is
//!   not there, and its ids are given out again: "committed" and "aborted" may both be about somebody else's transaction. To
//!   tell, one would have to know that the standby had come past the transaction, which only superusers can read. So after
//!   a promotion nothing is known.
//! - The moment at which its **statistics** began. They begin anew after a crash (`pgstat_reset_after_failure`), after which an
//!   id whose traces had not reached the disk is given out again, too; and survive an orderly restart, which loses nothing.
//!
//! Any role may read all three, unless an administrator took that away: then nothing can be known, either. Whether they can be
//! read is found out once for each connection, before the first transaction that is to be resolved, since a refusal within it
//! would end it. The identifier is read then, too, which takes the server a file; the others are read with the id.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Result};
use crate::pool::core::Inner;
use crate::pool::lifecycle::acquire::Call;
use crate::pool::pooled_connection::PooledConnection;

/// The signs of a history, in this order; no timeline on a standby.
macro_rules! signs {
    () => {
        "CASE WHEN NOT pg_catalog.pg_is_in_recovery() THEN \
         pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 1, 8) END, \
         (SELECT pg_catalog.date_part('epoch', stats_reset)::pg_catalog.text FROM pg_catalog.pg_stat_bgwriter)"
    };
}
macro_rules! system {
    () => {
        "(SELECT system_identifier::pg_catalog.text FROM pg_catalog.pg_control_system())"
    };
}
/// A standby gives out no ids; nothing is ever committed there either.
macro_rules! id {
    () => {
        "SELECT CASE WHEN NOT pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_current_xact_id()::pg_catalog.text END"
    };
}

const ASK_ONCE: &str = concat!("SELECT ", system!(), ", ", signs!());
const ASK_BEFORE: &str = concat!(id!(), ", ", signs!());
const ASK_ID: &str = id!();

/// While the transaction is still in progress.
const FIRST_WAIT: Duration = Duration::from_millis(5);
const LONGEST_WAIT: Duration = Duration::from_millis(200);

/// Which server a connection leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::pool) enum Origin {
    /// The cluster with this system identifier.
    System(String),
    /// It does not let this role read what tells its history.
    Hidden,
}

/// The history of a server, as far as it can be told from others.
#[derive(Debug, Clone, PartialEq, Eq)]
struct History {
    system: String,
    timeline: String,
    statistics_since: String,
}

/// What was learnt before COMMIT, so that its outcome can be asked for.
pub(in crate::pool) struct Mark {
    /// `None` of what cannot have written anything.
    id: Option<u64>,
    /// `None` where it could not be read.
    history: Option<History>,
}

/// What the server knows of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pool) enum Fate {
    Committed,
    Aborted,
    Unknown,
}

impl Origin {
    /// Finds out where a connection leads, if that is not known yet. To be called outside of a transaction.
    pub(in crate::pool) fn learn(conn: &mut PooledConnection) {
        if conn.conn_mut().origin.is_some() {
            return;
        }
        let system = match conn.ask(ASK_ONCE) {
            Ok(answer) => answer.row.first().cloned().flatten(),
            Err(error) if error.server().is_some() => None,
            // The transaction will meet it too.
            Err(_) => return,
        };
        conn.conn_mut().origin = Some(system.map_or(Self::Hidden, Self::System));
    }
}

impl Mark {
    pub(in crate::pool) fn of(conn: &mut PooledConnection) -> Result<Self> {
        let system = match &conn.conn_mut().origin {
            Some(Origin::System(system)) => Some(system.clone()),
            Some(Origin::Hidden) | None => None,
        };
        let row = conn.ask(if system.is_some() { ASK_BEFORE } else { ASK_ID })?.row;
        let value = |at: usize| row.get(at).cloned().flatten();
        let id = value(0).map(|id| id.parse()).transpose();
        let id = id.map_err(|_| Error::misuse("the server gave an id of a transaction that is no number"))?;
        Ok(Self { id, history: History::of(system, value(1), value(2)) })
    }

    /// For messages.
    pub(in crate::pool) fn note(&self) -> Option<String> {
        self.id.map(|id| format!("its transaction id is {id}: pg_xact_status may tell what became of it"))
    }

    /// Asks until the server can tell, or the time is over.
    pub(in crate::pool) fn resolve(&self, inner: &Arc<Inner>, end: Instant) -> Fate {
        let Some(id) = self.id else { return Fate::Aborted };
        let Some(history) = &self.history else { return Fate::Unknown };
        let mut wait = FIRST_WAIT;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Fate::Unknown;
            }
            match ask(inner, id, history, end) {
                Ok(Some(fate)) => return fate,
                Ok(None) => {}
                Err(error) if passes(error.kind()) => {}
                Err(_) => return Fate::Unknown,
            }
            thread::sleep(wait.min(left));
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }
}

impl History {
    fn of(system: Option<String>, timeline: Option<String>, statistics: Option<String>) -> Option<Self> {
        Some(Self { system: system?, timeline: timeline?, statistics_since: statistics? })
    }
}

/// `None` while it is in progress.
fn ask(inner: &Arc<Inner>, id: u64, history: &History, end: Instant) -> Result<Option<Fate>> {
    let left = end.saturating_duration_since(Instant::now());
    let mut conn = inner.get(Call { timeout: Some(left), ..Call::default() })?;
    conn.link().set_deadline(Some(end));
    let sql = format!(
        concat!("SELECT pg_catalog.pg_xact_status('{}'::pg_catalog.xid8), ", system!(), ", ", signs!()),
        id
    );
    let mut row = conn.ask(&sql)?.row.into_iter();
    let mut next = || row.next().flatten();
    let status = next();
    if History::of(next(), next(), next()).as_ref() != Some(history) {
        return Ok(Some(Fate::Unknown));
    }
    Ok(match status.as_deref() {
        Some("committed") => Some(Fate::Committed),
        Some("aborted") => Some(Fate::Aborted),
        Some("in progress") => None,
        _ => Some(Fate::Unknown),
    })
}

/// Whether the next connection may do better.
fn passes(kind: ErrorKind) -> bool {
    crate::error::is_connection_failure(kind)
        || matches!(kind, ErrorKind::PoolTimeout | ErrorKind::Overloaded)
}
