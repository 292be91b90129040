//! The return of a connection. Nothing here blocks the thread that returns it; workers clean and close.

use std::sync::Arc;

use crate::error::LinkFault;
use crate::link::IdlePoll;
use crate::link::checkouts::Requests;
use crate::pool::admission::Returned;
use crate::pool::connection::fate::Fate;
use crate::pool::connection::server_connection::{OpenConnection, Parked, ThreadMark};
use crate::pool::connection::validation::POLL_SOCKET_AFTER;
use crate::pool::core::Core;
use crate::pool::tasks::Task;
use crate::pool::telemetry::stats::CloseReason;
use crate::session::RawSession;
use crate::sys::clock::Tick;

impl Core {
    /// Takes a checked-out connection back: ends the checkout, decides on the connection, carries that out.
    #[inline]
    pub(in crate::pool) fn give_back(self: &Arc<Self>, mut conn: Parked) {
        failpoint!(self, "returned");
        let requests = self.end_use(&mut conn);
        let fate = if requests == Requests::Settled && conn.is_at_rest() && conn.link.has_no_leftovers() {
            conn.dismiss_guest();
            if conn.was_checked_out && self.resets_sessions() {
                Fate::Settle(requests)
            } else {
                self.fate_of_clean(&mut conn)
            }
        } else {
            self.fate_of_unclean(&conn, requests)
        };
        self.carry_out(fate, conn);
    }

    /// Undoes the caller's deadlines, ends the caller's right to cancel, and closes an open result. Returns the state of
    /// cancel requests.
    #[inline]
    pub(super) fn end_use(&self, conn: &mut OpenConnection) -> Requests {
        if conn.deadline_changed {
            conn.link.set_statement_limit(self.settings.statement_deadline);
            conn.deadline_changed = false;
        }
        if conn.session.has_notices() {
            self.tell_notices(conn);
        }
        if let Some(traced) = conn.link.take_trace() {
            self.log_trace(conn, &traced);
        }
        // The deadline of a transaction.
        conn.link.set_deadline(None);
        let requests = conn.checkouts.end_checkout();
        let OpenConnection { link, cancel, session, .. } = conn;
        RawSession::new(link, cancel, session).end_checkout();
        requests
    }

    /// Decides on a connection that is not in the state for another checkout.
    #[cold]
    fn fate_of_unclean(&self, conn: &OpenConnection, requests: Requests) -> Fate {
        if let Some(evidence) = self.role_evidence(conn) {
            self.note_role_evidence(conn, evidence);
        }
        match conn.link.fault() {
            Some(LinkFault::DeadlinePassed) => Fate::Close(CloseReason::DeadlinePassed),
            Some(LinkFault::Interrupted) => Fate::Close(CloseReason::PoolClosed),
            Some(_) => Fate::Broken,
            None if conn.guest_has_given_up() => Fate::Broken,
            None => Fate::Settle(requests),
        }
    }

    /// Decides on a connection that is at rest. Its server may have changed its role.
    #[inline]
    pub(in crate::pool) fn fate_of_clean(self: &Arc<Self>, conn: &mut OpenConnection) -> Fate {
        if let Some(evidence) = self.role_evidence(conn) {
            self.note_role_evidence(conn, evidence);
            return Fate::CheckRole;
        }
        self.fate_of_fit(conn)
    }

    /// Decides on a connection that is at rest, at a server of the right role: by its age, its socket, the fleet's share, and
    /// whether an explanation of exhaustion waits for a connection. If nothing is in the way, it is parked.
    #[inline]
    pub(in crate::pool) fn fate_of_fit(self: &Arc<Self>, conn: &mut OpenConnection) -> Fate {
        let now = Tick::now();
        if conn.has_expired(now) {
            return Fate::Close(CloseReason::MaxLifetime);
        }
        if now.since(conn.checked_out_at) >= POLL_SOCKET_AFTER {
            match conn.link.poll_idle() {
                IdlePoll::Quiet => {}
                IdlePoll::Unsolicited => conn.must_revalidate = true,
                IdlePoll::Closed => return Fate::Broken,
            }
        }
        if self.fleet.is_due(now) {
            match self.admission.returned() {
                Returned::Keep => self.schedule_fleet_work(),
                Returned::Census => return Fate::TakeCensus,
                Returned::GiveUp => return Fate::Close(CloseReason::Shared),
            }
        }
        if self.explanations.is_wanted() {
            return Fate::Explain;
        }
        Fate::Park(now)
    }

    #[inline]
    pub(in crate::pool) fn carry_out(self: &Arc<Self>, fate: Fate, conn: Parked) {
        match fate {
            Fate::Park(now) => self.park(conn, now),
            Fate::Settle(requests) => self.start_pool_use(conn, |conn| Task::Settle(conn, requests)),
            Fate::CheckRole => self.start_pool_use(conn, Task::CheckRole),
            Fate::TakeCensus => {
                self.start_pool_use(conn, Task::TakeCensusOverReturned);
                self.schedule_fleet_work();
            }
            Fate::Explain => {
                self.explanations.found_connection();
                self.start_pool_use(conn, Task::ExplainOverReturned);
            }
            Fate::Broken => self.retire_broken(conn),
            Fate::Close(reason) => {
                self.retire(conn, reason);
                if reason == CloseReason::Shared {
                    self.schedule_fleet_work();
                }
            }
        }
    }

    /// Starts a task that uses a returned connection before it is parked.
    #[cold]
    fn start_pool_use(self: &Arc<Self>, mut conn: Parked, task: impl FnOnce(Parked) -> Task) {
        self.admission.begin_pool_use(&mut conn);
        self.start(task(conn));
    }

    #[inline]
    fn park(self: &Arc<Self>, mut conn: Parked, now: Tick) {
        failpoint!(self, "parking");
        conn.parked_at = now;
        conn.heard_at = now;
        conn.last_user = Some(ThreadMark::here());
        let due = self.attention_due(&conn);
        match self.admission.park(conn) {
            None => self.wake_housekeeping_at(due),
            Some((refused, reason)) => self.retire(refused, reason),
        }
    }
}
