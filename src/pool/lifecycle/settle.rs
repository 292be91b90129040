//! Cleaning of a connection that came back with work in flight, an open transaction, or a session that listens or is not in
//! UTF-8.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::link::checkouts::Requests;
use crate::link::{Leftover, TransactionStatus};
use crate::observe::event::EventKind;
use crate::pool::connection::server_connection::{OpenConnection, Parked};
use crate::pool::connection::session_reset::Reset;
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
        let mut conn = match self.reset_session(conn, end) {
            Ok(conn) => conn,
            Err(Some(conn)) => return self.retire(conn, CloseReason::Unclean),
            // Its place has come back with it.
            Err(None) => return,
        };
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

impl Core {
    /// Resets the session of a connection that a caller had, and has the program set it up again, if the pool does that.
    /// `Err` has a connection that cannot be used again, unless it is lost.
    fn reset_session(self: &Arc<Self>, mut conn: Parked, end: Instant) -> Result<Parked, Option<Parked>> {
        if !conn.was_checked_out || !self.resets_sessions() || !conn.is_at_rest() {
            return Ok(conn);
        }
        failpoint!(self, "resetting");
        let reset = conn.reset_session(self.settings.session_reset, end).and_then(|reset| {
            // A setting is no more than the rest of what was set after the session's start.
            conn.work_for_pool(end, |raw, link| self.connector.set_timeouts_again(raw, link))?;
            Ok(reset)
        });
        match reset {
            Ok(Reset::Done) => {}
            Ok(Reset::BehindPooler) => self.note_pooler(),
            Err(e) => {
                self.log.warn(
                    &[("connection", conn.id.into())],
                    format_args!("a session could not be reset, and is closed: {}", e.summary()),
                );
                return Err(Some(conn));
            }
        }
        conn.was_checked_out = false;
        match self.set_up(conn, end) {
            (Some(conn), Ok(())) => Ok(conn),
            (conn, outcome) => {
                let reason = outcome.map_or_else(|e| e.summary(), |()| String::new());
                self.log
                    .warn(&[], format_args!("a session could not be set up again, and is closed: {reason}"));
                Err(conn)
            }
        }
    }

    /// Ends resets: another session than the one that was opened has answered.
    #[cold]
    fn note_pooler(&self) {
        self.connector.leave_out_mark();
        if !self.is_behind_pooler.swap(true, Ordering::Relaxed) {
            self.log.warn(
                &[],
                format_args!(
                    "session_reset has no effect from now on: a pooler between this pool and the server has sessions of its own, \
                     which it resets itself (server_reset_query of PgBouncer)"
                ),
            );
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
