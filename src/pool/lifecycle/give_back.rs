//! What happens to a connection that comes back: park it, clean it first, or retire it. Nothing here blocks the thread
//! that returns it; cleaning and seeing off are done by the workers.

use std::sync::Arc;
use std::time::Instant;

use super::failpoint::failpoint;
use super::validate::LOOK_AFTER;
use crate::error::LinkFault;
use crate::link::loans::Requests;
use crate::link::{IdlePoll, TransactionStatus};
use crate::observe::event::EventKind;
use crate::pool::connection::server_connection::{OpenConnection, Parked, ThreadMark};
use crate::pool::core::Inner;
use crate::pool::telemetry::stats::CloseReason;
use crate::session::Lane;
use crate::sys::clock::Tick;

impl Inner {
    /// Takes a lent connection back.
    #[inline]
    pub(in crate::pool) fn give_back(self: &Arc<Self>, mut conn: Parked) {
        failpoint!(self, "returned");
        if conn.deadline_changed {
            conn.link.set_statement_limit(self.settings.statement_deadline);
            conn.deadline_changed = false;
        }
        // That of a transaction.
        conn.link.set_deadline(None);
        let requests = conn.loans.end_loan();
        let OpenConnection { link, cancel, lane, .. } = &mut *conn;
        Lane::new(link, cancel, lane).end_loan();
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
            Some(sign) => self.doubt_role(conn, sign),
        }
    }

    #[cold]
    fn give_back_unclean(self: &Arc<Self>, conn: Parked, requests: Requests) {
        if let Some(sign) = self.role_evidence(&conn) {
            self.heed(&conn, sign);
        }
        match conn.link.fault() {
            Some(LinkFault::DeadlinePassed) => self.retire(conn, CloseReason::DeadlinePassed),
            Some(LinkFault::Interrupted) => self.retire(conn, CloseReason::PoolClosed),
            Some(_) => self.retire_broken(conn),
            None if conn.guest_has_given_up() => self.retire_broken(conn),
            None => {
                let inner = self.clone();
                self.workers.run(move || inner.settle(conn, requests));
            }
        }
    }

    /// It died while it was lent: its idle siblings may have met the same fate.
    pub(in crate::pool) fn retire_broken(self: &Arc<Self>, conn: Parked) {
        self.heed_loss(&conn);
        self.trust.suspect_all_parked();
        self.governor.lost_one();
        self.retire(conn, CloseReason::Broken);
    }

    pub(in crate::pool) fn park(self: &Arc<Self>, mut conn: Parked) {
        let now = Tick::now();
        if conn.has_expired(now) {
            return self.retire(conn, CloseReason::MaxLifetime);
        }
        if now.since(conn.lent_at) >= LOOK_AFTER {
            match conn.link.poll_idle() {
                IdlePoll::Quiet => {}
                IdlePoll::Unsolicited => conn.doubtful = true,
                IdlePoll::Closed => return self.retire_broken(conn),
            }
        }
        if self.fleet.is_due(now) {
            match self.think_of_fleet(conn) {
                Some(kept) => conn = kept,
                None => return,
            }
        }
        if self.explained.is_wanted() {
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

    /// On a worker: brings a connection with something in flight or an open transaction back to rest, in bounded time.
    fn settle(self: Arc<Self>, mut conn: Parked, requests: Requests) {
        failpoint!(self, "settling");
        let end = Instant::now() + self.settings.settle_timeout;
        if conn.loans.wait_for_requests(end) != Requests::Settled {
            return self.retire(conn, CloseReason::Unclean);
        }
        if !end_abandoned_work(&self, &mut conn, end) {
            return self.retire(conn, CloseReason::Unclean);
        }
        conn.dismiss_guest();
        if requests == Requests::UnderWay {
            // It may have been sent a moment ago: the server has met it by the end of this, which may be what it cancels.
            let _ = conn.run_for_pool("", end);
        }
        if roll_back(&self, &mut conn, end) {
            self.admission.count(|c| c.rolled_back += 1);
        }
        if conn.link.listens() && conn.is_at_rest() && conn.run_for_pool("UNLISTEN *", end).is_ok() {
            // What came until then was dropped.
            conn.link.forget_listening();
        }
        failpoint!(self, "settled");
        if conn.is_at_rest() && !conn.link.listens() {
            self.give_back_clean(conn);
        } else {
            self.retire(conn, CloseReason::Unclean);
        }
    }

    /// Closes a lent connection. It counts against the pool until the server has let go of it or it was cut.
    pub(in crate::pool) fn retire(self: &Arc<Self>, mut conn: Parked, reason: CloseReason) {
        self.admission.retire_lent(&mut conn, |counters| counters.closed(reason));
        failpoint!(self, "retired");
        self.see_off(conn, reason);
    }

    /// Closes one that was to be lent and never reached its borrower.
    pub(in crate::pool) fn retire_unlent(self: &Arc<Self>, conn: Parked, reason: CloseReason) {
        self.admission.count(|c| c.gets -= 1);
        self.retire(conn, reason);
    }

    /// Closes a connection that is counted as departing already.
    pub(in crate::pool) fn see_off(self: &Arc<Self>, conn: Parked, reason: CloseReason) {
        if let Some(words) = conn.link.fatal_message() {
            let message = format_args!("the server ended a connection: {}", words.message);
            self.tell(EventKind::ServerMessage)
                .of(&conn)
                .info(&[("sqlstate", words.sqlstate.code().into())], message);
        }
        self.tell(EventKind::Closed)
            .of(&conn)
            .reason(reason.name())
            .debug(&[], format_args!("closing a connection: {}", reason.name()));
        // A server process closes its end when it ends, and with it what it was doing.
        let abandoned_work = conn.link.is_busy() && conn.link.fault() != Some(LinkFault::ClosedByServer);
        let gone =
            conn.link.poll_idle() == IdlePoll::Closed && conn.link.fault() != Some(LinkFault::DeadlinePassed);
        failpoint!(self, "closing");
        conn.link.retire();
        if gone && !abandoned_work {
            return departed(conn);
        }
        let inner = self.clone();
        // Counted from now, not from when a worker is free: a server that answers nobody keeps all workers waiting, and
        // the capacity of its connections must not come back one by one.
        let end = Instant::now() + self.settings.settle_timeout;
        self.workers.run(move || {
            let left = || end.saturating_duration_since(Instant::now());
            if abandoned_work {
                // The server would go on with the statement until it has something to send.
                if let Err(e) = conn.cancel.cancel_within(left()) {
                    inner.log.debug(
                        &[("connection", conn.id.into())],
                        format_args!("could not cancel what an abandoned connection was doing: {e}"),
                    );
                }
            }
            if !conn.link.wait_for_hangup(left()) {
                conn.link.reset_on_close();
            }
            failpoint!(inner, "departing");
            departed(conn);
        });
    }
}

/// The server has let go of it, or it is cut now. Its place becomes free.
fn departed(conn: Parked) {
    drop(conn);
}

/// Ends what the borrower left half-way. `false` when it cannot be known to have ended: a cancel request that may still be
/// on its way would hit the next borrower's statement.
fn end_abandoned_work(inner: &Inner, conn: &mut Parked, end: Instant) -> bool {
    let is_of_lane = conn.lane.is_unfinished();
    if !is_of_lane && !conn.link.is_busy() {
        return true;
    }
    // The answer to a ROLLBACK comes by itself.
    if conn.link.is_busy()
        && conn.lane.needs_cancel()
        && let Err(e) = conn.cancel.cancel_within(end.saturating_duration_since(Instant::now()))
    {
        inner.log.debug(
            &[("connection", conn.id.into())],
            format_args!("could not cancel an abandoned statement: {e}"),
        );
        return false;
    }
    conn.link.set_deadline(Some(end));
    if is_of_lane {
        let OpenConnection { lane, link, cancel, .. } = &mut **conn;
        let _ = Lane::new(link, cancel, lane).clear();
    } else {
        conn.finish_what_the_guest_left();
    }
    conn.link.set_deadline(None);
    // The server has sent the signal when it closes the connection of the request. It is met by this statement at the latest.
    let _ = conn.run_for_pool("", end);
    true
}

/// Whether a transaction had to be rolled back.
fn roll_back(inner: &Inner, conn: &mut Parked, end: Instant) -> bool {
    let status = conn.link.transaction_status();
    let open = matches!(status, TransactionStatus::InTransaction | TransactionStatus::Failed);
    if !open || conn.link.fault().is_some() {
        return false;
    }
    inner.tell(EventKind::RolledBack).of(conn).warn(
        &[],
        format_args!(
            "a connection came back with an open transaction, which was rolled back: is a commit missing?"
        ),
    );
    conn.run_for_pool("ROLLBACK", end).is_ok()
}
