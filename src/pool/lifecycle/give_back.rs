//! The return of a connection: parks it, cleans it first, or retires it. Nothing here blocks the thread that returns it;
//! the workers clean and close.

use std::sync::Arc;
use std::time::Instant;

use super::failpoint::failpoint;
use super::validate::POLL_SOCKET_AFTER;
use crate::error::LinkFault;
use crate::link::checkouts::Requests;
use crate::link::{IdlePoll, TransactionStatus};
use crate::observe::event::EventKind;
use crate::pool::connection::server_connection::{OpenConnection, Parked, ThreadMark};
use crate::pool::core::Core;
use crate::pool::telemetry::stats::CloseReason;
use crate::session::RawSession;
use crate::sys::clock::Tick;

impl Core {
    /// Takes a checked-out connection back.
    #[inline]
    pub(in crate::pool) fn give_back(self: &Arc<Self>, mut conn: Parked) {
        failpoint!(self, "returned");
        if conn.deadline_changed {
            conn.link.set_statement_limit(self.settings.statement_deadline);
            conn.deadline_changed = false;
        }
        // The deadline of a transaction.
        conn.link.set_deadline(None);
        let requests = conn.checkouts.end_checkout();
        let OpenConnection { link, cancel, session, .. } = &mut *conn;
        RawSession::new(link, cancel, session).end_checkout();
        if requests == Requests::Settled && conn.is_at_rest() && !conn.link.listens() {
            conn.dismiss_guest();
            return self.give_back_clean(conn);
        }
        self.give_back_unclean(conn, requests);
    }

    #[inline]
    fn give_back_clean(self: &Arc<Self>, conn: Parked) {
        match self.role_evidence(&conn) {
            None => self.park(conn),
            Some(sign) => self.revalidate_role(conn, sign),
        }
    }

    #[cold]
    fn give_back_unclean(self: &Arc<Self>, conn: Parked, requests: Requests) {
        if let Some(sign) = self.role_evidence(&conn) {
            self.note_role_evidence(&conn, sign);
        }
        match conn.link.fault() {
            Some(LinkFault::DeadlinePassed) => self.retire(conn, CloseReason::DeadlinePassed),
            Some(LinkFault::Interrupted) => self.retire(conn, CloseReason::PoolClosed),
            Some(_) => self.retire_broken(conn),
            None if conn.guest_has_given_up() => self.retire_broken(conn),
            None => {
                let core = self.clone();
                self.workers.run(move || core.settle(conn, requests));
            }
        }
    }

    /// Retires a connection that died while it was checked out. Its idle siblings may be dead too.
    pub(in crate::pool) fn retire_broken(self: &Arc<Self>, conn: Parked) {
        self.note_connection_loss(&conn);
        self.revalidation.suspect_all_parked();
        self.coordinator.connection_lost();
        self.retire(conn, CloseReason::Broken);
    }

    pub(in crate::pool) fn park(self: &Arc<Self>, mut conn: Parked) {
        let now = Tick::now();
        if conn.has_expired(now) {
            return self.retire(conn, CloseReason::MaxLifetime);
        }
        if now.since(conn.checked_out_at) >= POLL_SOCKET_AFTER {
            match conn.link.poll_idle() {
                IdlePoll::Quiet => {}
                IdlePoll::Unsolicited => conn.must_revalidate = true,
                IdlePoll::Closed => return self.retire_broken(conn),
            }
        }
        if self.fleet.is_due(now) {
            match self.rebalance_fleet(conn) {
                Some(kept) => conn = kept,
                None => return,
            }
        }
        if self.explanations.is_wanted() {
            return self.ask_over(conn);
        }
        failpoint!(self, "parking");
        conn.parked_at = now;
        conn.heard_at = now;
        conn.last_user = Some(ThreadMark::here());
        let due = self.attention_due(&conn);
        match self.admission.park(conn) {
            None => self.wake_housekeeping_at(due),
            Some(refused) => self.retire(refused, CloseReason::PoolClosed),
        }
    }

    /// Brings a connection with work in flight or an open transaction back to rest, in bounded time. Runs on a worker.
    fn settle(self: Arc<Self>, mut conn: Parked, requests: Requests) {
        failpoint!(self, "settling");
        let end = Instant::now() + self.settings.settle_timeout;
        if conn.checkouts.wait_for_requests(end) != Requests::Settled {
            return self.retire(conn, CloseReason::Unclean);
        }
        if !end_abandoned_work(&self, &mut conn, end) {
            return self.retire(conn, CloseReason::Unclean);
        }
        conn.dismiss_guest();
        if requests == Requests::UnderWay {
            // A cancel request may have been sent a moment ago. The server has handled it by the end of this statement, which
            // may be the one it cancels.
            let _ = conn.run_for_pool("", end);
        }
        if roll_back(&self, &mut conn, end) {
            self.admission.count(|c| c.rolled_back += 1);
        }
        if conn.link.listens() && conn.is_at_rest() && conn.run_for_pool("UNLISTEN *", end).is_ok() {
            // Notifications received until then were dropped.
            conn.link.forget_listening();
        }
        failpoint!(self, "settled");
        if conn.is_at_rest() && !conn.link.listens() {
            self.give_back_clean(conn);
        } else {
            self.retire(conn, CloseReason::Unclean);
        }
    }

    /// Closes a checked-out connection. It counts against the pool until the server has let go of it or it was cut.
    pub(in crate::pool) fn retire(self: &Arc<Self>, mut conn: Parked, reason: CloseReason) {
        self.admission.retire_checked_out(&mut conn, |counters| counters.closed(reason));
        failpoint!(self, "retired");
        self.close_connection(conn, reason);
    }

    /// Closes a connection that was to be checked out and never reached its borrower.
    pub(in crate::pool) fn retire_before_checkout(self: &Arc<Self>, conn: Parked, reason: CloseReason) {
        self.admission.count(|c| c.gets -= 1);
        self.retire(conn, reason);
    }

    /// Closes a connection that is counted as departing already.
    pub(in crate::pool) fn close_connection(self: &Arc<Self>, conn: Parked, reason: CloseReason) {
        if conn.link.poll_idle() == IdlePoll::Closed {
            conn.link.receive_until_hangup();
        }
        let fatal = conn.link.fatal_message();
        let sqlstate = fatal.as_ref().map(|fatal| fatal.sqlstate.code());
        if let Some(fatal) = &fatal {
            let message = format_args!("the server ended a connection: {}", fatal.message);
            self.emit(EventKind::ServerMessage).of(&conn).sqlstate(sqlstate).info(&[], message);
        }
        self.emit(EventKind::Closed)
            .of(&conn)
            .reason(reason.name())
            .sqlstate(sqlstate)
            .debug(&[], format_args!("closing a connection: {}", reason.name()));
        // A server process that closed its end has ended its statement too.
        let abandoned_work = conn.link.is_busy() && conn.link.fault() != Some(LinkFault::ClosedByServer);
        let gone =
            conn.link.poll_idle() == IdlePoll::Closed && conn.link.fault() != Some(LinkFault::DeadlinePassed);
        failpoint!(self, "closing");
        conn.link.retire();
        if gone && !abandoned_work {
            return departed(conn);
        }
        let core = self.clone();
        // Counted from now, not from when a worker is free: a server that does not answer keeps all workers waiting, and
        // the capacity of its connections must not come back one by one.
        let end = Instant::now() + self.settings.settle_timeout;
        self.workers.run(move || {
            let left = || end.saturating_duration_since(Instant::now());
            if abandoned_work {
                // The server would go on with the statement until it has something to send.
                if let Err(e) = conn.cancel.cancel_within(left()) {
                    core.log.debug(
                        &[("connection", conn.id.into())],
                        format_args!("could not cancel what an abandoned connection was doing: {e}"),
                    );
                }
            }
            if !conn.link.wait_for_hangup(left()) {
                conn.link.reset_on_close();
            }
            failpoint!(core, "departing");
            departed(conn);
        });
    }
}

/// Drops a connection that the server has let go of, or cuts it now. Its place becomes free.
fn departed(conn: Parked) {
    drop(conn);
}

/// Ends the work that the borrower left unfinished. Returns `false` when it cannot be known to have ended: a cancel request
/// that may still be on its way would hit the next borrower's statement.
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
