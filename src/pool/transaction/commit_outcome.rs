//! Resolves a commit whose answer was lost, by asking the server on another connection.
//!
//! `pg_xact_status` knows a transaction by its id, and an id means something only within one history of one server. So the
//! answer must come from the history in which the transaction was begun. Three signs show that:
//!
//! - The **system identifier** (`pg_control_system`), which each cluster is given when it is made, and its copies share.
//! - The **timeline** in which it writes (the first digits of the name of its WAL file; `pg_control_checkpoint` still has the
//!   old one for a while after a promotion). A standby that was promoted begins a new one. Transactions that had not reached it
//!   by then are not there, and their ids are given out again: "committed" and "aborted" may both be about another client's
//!   transaction. An answer would need proof that the standby had come past the transaction, which only superusers can read.
//!   So after a promotion nothing is known.
//! - The moment at which its **statistics** began. They begin anew after a crash (`pgstat_reset_after_failure`), after which an
//!   id whose traces had not reached the disk is given out again, too; and survive an orderly restart, which loses nothing.
//!
//! Any role may read all three, unless an administrator took that away: then nothing can be known, either. Each connection finds
//! out once whether it can read them, before the first transaction that is to be resolved, since a refusal within it would end
//! it. The identifier is read then, too, for which the server reads a file; the others are read with the id.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Result};
use crate::pool::connection::origin::Origin;
use crate::pool::core::Core;
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

const ORIGIN_SQL: &str = concat!("SELECT ", system!(), ", ", signs!());
const MARK_SQL: &str = concat!(id!(), ", ", signs!());
const ID_SQL: &str = id!();

/// The waits between queries while the transaction is still in progress.
const FIRST_POLL_WAIT: Duration = Duration::from_millis(5);
const LONGEST_POLL_WAIT: Duration = Duration::from_millis(200);

/// The history of a server, as far as it can be distinguished from others.
#[derive(Debug, Clone, PartialEq, Eq)]
struct History {
    system: String,
    timeline: String,
    statistics_since: String,
}

/// The id and history read before COMMIT, with which its outcome can be queried.
pub(in crate::pool) struct Mark {
    /// `None` for a transaction that cannot have written anything.
    id: Option<u64>,
    /// `None` where the history could not be read.
    history: Option<History>,
}

/// The outcome of a transaction, as known by the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pool) enum Outcome {
    Committed,
    Aborted,
    Unknown,
}

/// Finds out the cluster behind a connection, unless it is known. To be called outside of a transaction.
pub(in crate::pool) fn learn_origin(conn: &mut PooledConnection) {
    if conn.conn_mut().origin.is_some() {
        return;
    }
    let system = match conn.ask(ORIGIN_SQL) {
        Ok(answer) => answer.row.first().cloned().flatten(),
        Err(error) if error.server().is_some() => None,
        // The transaction will meet it too.
        Err(_) => return,
    };
    conn.conn_mut().origin = Some(system.map_or(Origin::Hidden, Origin::System));
}

impl Mark {
    pub(in crate::pool) fn of(conn: &mut PooledConnection) -> Result<Self> {
        let system = match &conn.conn_mut().origin {
            Some(Origin::System(system)) => Some(system.clone()),
            Some(Origin::Hidden) | None => None,
        };
        let row = conn.ask(if system.is_some() { MARK_SQL } else { ID_SQL })?.row;
        let value = |at: usize| row.get(at).cloned().flatten();
        let id = value(0).map(|id| id.parse()).transpose();
        let id = id.map_err(|_| Error::misuse("the server gave an id of a transaction that is no number"))?;
        Ok(Self { id, history: History::of(system, value(1), value(2)) })
    }

    /// Returns a note for messages.
    pub(in crate::pool) fn note(&self) -> Option<String> {
        self.id.map(|id| format!("its transaction id is {id}: pg_xact_status may tell what became of it"))
    }

    /// Asks until the server knows the outcome, or until `end`.
    pub(in crate::pool) fn resolve(&self, core: &Arc<Core>, end: Instant) -> Outcome {
        let Some(id) = self.id else { return Outcome::Aborted };
        let Some(history) = &self.history else { return Outcome::Unknown };
        let mut wait = FIRST_POLL_WAIT;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Outcome::Unknown;
            }
            match ask(core, id, history, end) {
                Ok(Some(fate)) => return fate,
                Ok(None) => {}
                Err(error) if passes(error.kind()) => {}
                Err(_) => return Outcome::Unknown,
            }
            thread::sleep(wait.min(left));
            wait = (wait * 2).min(LONGEST_POLL_WAIT);
        }
    }
}

impl History {
    fn of(system: Option<String>, timeline: Option<String>, statistics: Option<String>) -> Option<Self> {
        Some(Self { system: system?, timeline: timeline?, statistics_since: statistics? })
    }
}

/// Asks the server for the outcome once. Returns `None` while the transaction is in progress.
fn ask(core: &Arc<Core>, id: u64, history: &History, end: Instant) -> Result<Option<Outcome>> {
    let left = end.saturating_duration_since(Instant::now());
    let mut conn = core.get(Call { timeout: Some(left), ..Call::default() })?;
    conn.link().set_deadline(Some(end));
    let sql = format!(
        concat!("SELECT pg_catalog.pg_xact_status('{}'::pg_catalog.xid8), ", system!(), ", ", signs!()),
        id
    );
    let mut row = conn.ask(&sql)?.row.into_iter();
    let mut next = || row.next().flatten();
    let status = next();
    if History::of(next(), next(), next()).as_ref() != Some(history) {
        return Ok(Some(Outcome::Unknown));
    }
    Ok(match status.as_deref() {
        Some("committed") => Some(Outcome::Committed),
        Some("aborted") => Some(Outcome::Aborted),
        Some("in progress") => None,
        _ => Some(Outcome::Unknown),
    })
}

/// Returns whether the next connection may succeed.
fn passes(kind: ErrorKind) -> bool {
    crate::error::is_connection_failure(kind)
        || matches!(kind, ErrorKind::PoolTimeout | ErrorKind::Overloaded)
}
