//! Finding out what became of a commit whose answer was lost, by asking the server on another connection.
//!
//! `pg_xact_status` knows a transaction by its id. After a crash of the server that is not enough: an id whose traces had not
//! reached the disk is given out again, and the answer would be about somebody else's transaction. A failover to another
//! server is no better. So the moment at which the server's statistics began is compared too: they begin anew after a crash
//! (`pgstat_reset_after_failure`), belong to one server, and survive an orderly restart, which loses no transaction.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::acquire::Call;
use super::connection::PooledConnection;
use super::inner::Inner;
use super::voice::Voice;
use crate::error::{Error, ErrorKind, Result};

/// A standby gives out no ids; nothing is ever committed there either.
const ASK_BEFORE: &str = "SELECT CASE WHEN NOT pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_current_xact_id()::text END, \
    (SELECT extract(epoch FROM stats_reset)::text FROM pg_catalog.pg_stat_bgwriter)";

/// While the transaction is still in progress.
const FIRST_WAIT: Duration = Duration::from_millis(5);
const LONGEST_WAIT: Duration = Duration::from_millis(200);

/// What was learnt before COMMIT, so that its outcome can be asked for.
pub(super) struct Mark {
    /// `None` of what cannot have written anything.
    id: Option<u64>,
    server: Option<String>,
}

/// What the server knows of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Committed,
    Aborted,
    Unknown,
}

impl Mark {
    pub(super) fn of(conn: &mut PooledConnection, voice: Voice) -> Result<Self> {
        let row = conn.say(voice, ASK_BEFORE)?.row;
        let value = |at: usize| row.get(at).cloned().flatten();
        let id = value(0).map(|id| id.parse()).transpose();
        let id = id.map_err(|_| Error::misuse("the server gave an id of a transaction that is no number"))?;
        Ok(Self { id, server: value(1) })
    }

    /// For messages.
    pub(super) fn note(&self) -> Option<String> {
        self.id.map(|id| format!("its transaction id is {id}: pg_xact_status may tell what became of it"))
    }

    /// Asks until the server can tell, or the time is over.
    pub(super) fn resolve(&self, inner: &Arc<Inner>, end: Instant) -> Fate {
        let Some(id) = self.id else { return Fate::Aborted };
        let mut wait = FIRST_WAIT;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Fate::Unknown;
            }
            match self.ask(inner, id, end) {
                Ok(Some(fate)) => return fate,
                Ok(None) => {}
                Err(error) if passes(error.kind()) => {}
                Err(_) => return Fate::Unknown,
            }
            thread::sleep(wait.min(left));
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// `None` while it is in progress.
    fn ask(&self, inner: &Arc<Inner>, id: u64, end: Instant) -> Result<Option<Fate>> {
        let left = end.saturating_duration_since(Instant::now());
        let mut conn = inner.get(Call { timeout: Some(left), ..Call::default() })?;
        conn.link().set_deadline(Some(end));
        let sql = format!(
            "SELECT pg_catalog.pg_xact_status('{id}'::pg_catalog.xid8), \
             (SELECT extract(epoch FROM stats_reset)::text FROM pg_catalog.pg_stat_bgwriter)"
        );
        let row = conn.say(Voice::Client, &sql)?.row;
        let [status, server] = row.as_slice() else { return Ok(Some(Fate::Unknown)) };
        if server.is_none() || *server != self.server {
            return Ok(Some(Fate::Unknown));
        }
        Ok(match status.as_deref() {
            Some("committed") => Some(Fate::Committed),
            Some("aborted") => Some(Fate::Aborted),
            Some("in progress") => None,
            _ => Some(Fate::Unknown),
        })
    }
}

/// Whether the next connection may do better.
fn passes(kind: ErrorKind) -> bool {
    crate::error::is_connection_failure(kind)
        || matches!(kind, ErrorKind::PoolTimeout | ErrorKind::Overloaded)
}
