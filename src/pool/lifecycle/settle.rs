//! Cleaning of a connection that came back with work in flight, an open transaction, or a session that listens or is not in
//! UTF-8.

use std::sync::Arc;
use std::time::Instant;

use crate::link::checkouts::Requests;
use crate::link::{Leftover, TransactionStatus};
use crate::observe::event::EventKind;
use crate::pool::connection::server_connection::{OpenConnection, Parked};
use crate::pool::core::Core;
use crate::pool::telemetry::stats::CloseReason;
use crate::session::RawSession;

impl Core {
    /// Brings a connection with work in flight or an open transaction back to rest, in bounded time. Runs on a worker.
    pub(in crate::pool) fn settle(self: &Arc<Self>, mut conn: Parked, requests: Requests) {
        failpoint!(self, "settling");
        let end = Instant::now() + self.settings.settle_timeout;
        if conn.checkouts.wait_for_requests(end) != Requests::Settled {
            return self.retire(conn, CloseReason::Unclean);
        }
        if !end_abandoned_work(self, &mut conn, end) {
            return self.retire(conn, CloseReason::Unclean);
        }
        conn.dismiss_guest();
        if requests == Requests::UnderWay {
            // A cancel request may have been sent a moment ago. The server has handled it by the end of this statement, which
            // may be the one it cancels.
            let _ = conn.run_for_pool("", end);
        }
        if roll_back(self, &mut conn, end) {
            self.admission.count(|c| c.rolled_back += 1);
        }
        for leftover in Leftover::ALL {
            let has = conn.link.has_leftover(leftover) && conn.is_at_rest();
            if has && conn.run_for_pool(leftover.remover(), end).is_ok() {
                // Notifications received until then were dropped.
                conn.link.forget_leftover(leftover);
            }
        }
        failpoint!(self, "settled");
        if conn.is_at_rest() && conn.link.has_no_leftovers() {
            let fate = self.fate_of_clean(&mut conn);
            self.carry_out(fate, conn);
        } else {
            self.retire(conn, CloseReason::Unclean);
        }
    }
}

/// Ends the work that the caller left unfinished. Returns `false` when it cannot be known to have ended: a cancel request
/// that may still be on its way would hit the next caller's statement.
fn end_abandoned_work(core: &Core, conn: &mut Parked, end: Instant) -> bool {
    if !conn.session.is_unfinished() && !conn.link.is_busy() {
        return true;
    }
    // The answer to a ROLLBACK comes by itself.
    if conn.link.is_busy()
        && conn.session.needs_cancel()
        && let Err(e) = conn.cancel.cancel_within(end.saturating_duration_since(Instant::now()))
    {
        core.log.debug(
            &[("connection", conn.id.into())],
            format_args!("could not cancel an abandoned statement: {e}"),
        );
        return false;
    }
    // A guest whose reader was leaked reads nothing more: the session reads in its place.
    conn.dismiss_guest();
    conn.link.set_deadline(Some(end));
    let OpenConnection { session, link, cancel, .. } = &mut **conn;
    let _ = RawSession::new(link, cancel, session).clear();
    conn.link.set_deadline(None);
    // The server has sent the signal when it closes the connection of the request. It hits this statement at the latest.
    let _ = conn.run_for_pool("", end);
    true
}

/// Rolls back an open transaction. Returns whether there was one.
fn roll_back(core: &Core, conn: &mut Parked, end: Instant) -> bool {
    let status = conn.link.transaction_status();
    let open = matches!(status, TransactionStatus::InTransaction | TransactionStatus::Failed);
    if !open || conn.link.fault().is_some() {
        return false;
    }
    core.emit(EventKind::RolledBack).of(conn).warn(
        &[],
        format_args!(
            "a connection came back with an open transaction, which was rolled back: is a commit missing?"
        ),
    );
    conn.run_for_pool("ROLLBACK", end).is_ok()
}
