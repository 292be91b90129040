//! Role changes: the primary may have moved, and connections may lead to a server that no longer accepts writes.
//!
//! Evidence of it (a refused write, a server that ended sessions, a lost connection) begins a new epoch: the role of every
//! connection, idle or checked out, is validated before its next use. A connection at the wrong role is closed, and another is
//! opened only when a caller needs it, so that not all pools load the new primary at once with all their connections.

use std::sync::Arc;

use crate::error::sqlstate;
use crate::link::RoleEvidence;
use crate::pool::connection::fate::Fate;
use crate::pool::connection::server_connection::{OpenConnection, Parked};
use crate::pool::connection::validation::CheckResult;
use crate::pool::core::Core;
use crate::pool::telemetry::stats::CloseReason;

impl Core {
    /// Returns the evidence of a role change that a returned connection carries, if roles matter.
    #[inline]
    pub(in crate::pool) fn role_evidence(&self, conn: &OpenConnection) -> Option<RoleEvidence> {
        if self.asks_for_role { conn.link.role_evidence() } else { None }
    }

    /// Begins a new epoch after a refused write, so that other callers do not find it out one by one. The caller may have
    /// caused it itself, by a read-only transaction; then the others are validated for nothing, once.
    pub(in crate::pool) fn note_role_evidence(&self, conn: &OpenConnection, sign: RoleEvidence) {
        if sign == RoleEvidence::RefusedWrite {
            self.role_may_have_changed(conn, sqlstate::READ_ONLY_SQL_TRANSACTION);
        }
    }

    /// Begins a new epoch after a connection broke while it was checked out.
    pub(in crate::pool) fn note_connection_loss(&self, conn: &OpenConnection) {
        let code = conn.link.last_sqlstate();
        let known = code.as_deref().filter(|code| sqlstate::is_shutdown(code));
        self.role_may_have_changed(conn, known.unwrap_or("connection_lost"));
    }

    fn role_may_have_changed(&self, conn: &OpenConnection, evidence: &str) {
        if !self.asks_for_role || !self.revalidation.begin_epoch_after(conn.epoch) {
            return;
        }
        self.log.info(
            &[("connection", conn.id.into()), ("evidence", evidence.into())],
            format_args!(
                "the primary may have moved ({evidence} from {}): the role of every connection's server is validated before its next use",
                conn.target
            ),
        );
    }

    /// Validates the role of a clean connection that came back with evidence of a change. Runs on a worker.
    pub(in crate::pool) fn check_role(self: &Arc<Self>, mut conn: Parked) {
        failpoint!(self, "role in doubt");
        let fate = match self.health_check(&mut conn, self.settings.validation_timeout) {
            CheckResult::Valid => self.fate_of_fit(&mut conn),
            CheckResult::WrongRole(why) => {
                self.note_wrong_role(&conn, why);
                Fate::Close(CloseReason::WrongRole)
            }
            CheckResult::Dead => Fate::Broken,
        };
        self.carry_out(fate, conn);
    }

    /// Begins a new epoch after a connection was found at a server of the wrong role.
    #[cold]
    pub(in crate::pool) fn note_wrong_role(&self, conn: &OpenConnection, why: &str) {
        self.revalidation.begin_epoch_after(conn.epoch);
        self.log.warn(
            &[("connection", conn.id.into()), ("target", conn.target.as_str().into())],
            format_args!(
                "{} does not have the role asked for any more ({why}): its connections are closed",
                conn.target
            ),
        );
    }
}
