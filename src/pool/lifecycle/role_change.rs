//! The primary moved, or may have: connections that worked a moment ago may lead to a server that writes no more.
//!
//! What speaks for it (a refused write, a server that ended sessions, a lost connection) begins a new era: every connection
//! proves its role before its next use, idle ones and lent ones. One whose role is wrong is closed, and another is opened
//! when somebody needs it and not before, so that the new primary is not met by all pools at once with all they have.

use std::sync::Arc;

use super::failpoint::failpoint;
use super::validate::Answer;
use crate::error::sqlstate;
use crate::link::RoleSign;
use crate::pool::connection::server_connection::{OpenConnection, Parked};
use crate::pool::core::Inner;
use crate::pool::telemetry::stats::CloseReason;

impl Inner {
    /// What a connection that came back has seen of its server's role, if that matters.
    #[inline]
    pub(in crate::pool) fn role_sign(&self, conn: &OpenConnection) -> Option<RoleSign> {
        if self.asks_for_role { conn.link.role_sign() } else { None }
    }

    /// Somebody was refused a write: the others are not to find that out one by one. He may have asked for it himself, by a
    /// transaction that only reads; then the others prove themselves for nothing, once.
    pub(in crate::pool) fn heed(&self, conn: &OpenConnection, sign: RoleSign) {
        if sign == RoleSign::RefusedWrite {
            self.role_may_have_changed(conn, sqlstate::READ_ONLY_SQL_TRANSACTION);
        }
    }

    /// A connection broke while it was lent.
    pub(in crate::pool) fn heed_loss(&self, conn: &OpenConnection) {
        let said = conn.link.last_sqlstate();
        let known = said.as_deref().filter(|code| sqlstate::is_shutdown(code));
        self.role_may_have_changed(conn, known.unwrap_or("connection_lost"));
    }

    fn role_may_have_changed(&self, conn: &OpenConnection, evidence: &str) {
        if !self.asks_for_role || !self.trust.begin_era_after(conn.era) {
            return;
        }
        self.log.info(
            &[("connection", conn.id.into()), ("evidence", evidence.into())],
            format_args!(
                "the primary may have moved ({evidence} from {}): every connection proves its server's role before its next use",
                conn.target
            ),
        );
    }

    /// A clean connection came back with a sign on it: a worker has it prove its role.
    #[cold]
    pub(in crate::pool) fn doubt_role(self: &Arc<Self>, mut conn: Parked, sign: RoleSign) {
        self.heed(&conn, sign);
        let inner = self.clone();
        self.workers.run(move || {
            failpoint!(inner, "role in doubt");
            match inner.ask(&mut conn, inner.settings.validation_timeout) {
                Answer::Fit => inner.park(conn),
                Answer::Unfit(why) => {
                    inner.tell_of_wrong_role(&conn, why);
                    inner.retire(conn, CloseReason::WrongRole);
                }
                Answer::Dead => inner.retire_broken(conn),
            }
        });
    }

    /// A connection is at a server of the wrong role.
    #[cold]
    pub(in crate::pool) fn tell_of_wrong_role(&self, conn: &OpenConnection, why: &str) {
        self.trust.begin_era_after(conn.era);
        self.log.warn(
            &[("connection", conn.id.into()), ("target", conn.target.as_str().into())],
            format_args!(
                "{} does not have the role asked for any more ({why}): its connections are closed",
                conn.target
            ),
        );
    }
}
