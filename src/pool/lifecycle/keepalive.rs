//! Idle connections prove themselves now and then, if `keepalive_interval` says so: a dead one is found, and replaced where
//! `min_idle` wants it, before somebody needs it; and whoever is on the way, a firewall or the server, sees that it is used.
//!
//! Never in a borrower's way: one connection of a pool at a time is away for it, for as long as one in use may be, and none
//! while somebody waits. It does not count as used: what nobody borrows is closed after `idle_timeout`, as ever.

use std::sync::Arc;

use super::failpoint::failpoint;
use super::housekeeping::NextAlarm;
use super::validate::Answer;
use crate::link::IdlePoll;
use crate::pool::admission::Releases;
use crate::pool::connection::server_connection::{OpenConnection, Parked};
use crate::pool::core::Inner;
use crate::sys::clock::Tick;
use crate::sys::single_flight::Flight;

/// Idle connections are being validated, one after another. When that ends, in whatever way, the next time is set.
struct ProvingIdle {
    /// Ends first: while it lasts there is no next time.
    _flight: Flight,
    _next: NextAlarm,
}

impl Inner {
    /// When housekeeping has to look at a connection that is parked now.
    #[inline]
    pub(in crate::pool) fn attention_due(&self, conn: &OpenConnection) -> Tick {
        let end = conn.due(self.idle_timeout());
        self.proof_due(conn).map_or(end, |proof| proof.min(end))
    }

    #[inline]
    fn proof_due(&self, conn: &OpenConnection) -> Option<Tick> {
        self.settings.keepalive_interval.map(|interval| conn.heard_at.plus(interval))
    }

    /// When the next idle connection has to prove itself; nothing while that is being done.
    pub(in crate::pool) fn next_proof_due(&self) -> Option<Tick> {
        if self.settings.keepalive_interval.is_none() || self.proves_idle.is_under_way() {
            return None;
        }
        let dues = self.admission.inspect_idle(|conn| self.proof_due(conn));
        // One that is due and could not be taken, because somebody waits for it, is looked at again in a moment.
        dues.into_iter().flatten().min().map(|due| due.max(Tick::exact().plus(Tick::RESOLUTION)))
    }

    /// On the timer thread: has a worker see to those that are due.
    pub(in crate::pool) fn prove_idle(self: &Arc<Self>, now: Tick) {
        let is_due = |conn: &Parked| self.has_to_prove_itself(conn, now);
        if self.settings.keepalive_interval.is_none() || !self.admission.inspect_idle(is_due).contains(&true)
        {
            return;
        }
        if let Some(flight) = self.proves_idle.begin() {
            self.prove_next(ProvingIdle { _flight: flight, _next: NextAlarm(self.clone()) });
        }
    }

    fn has_to_prove_itself(&self, conn: &OpenConnection, now: Tick) -> bool {
        self.proof_due(conn).is_some_and(|due| due <= now)
            || conn.doubtful
            || !self.trust.covers(conn.heard_at, conn.era)
    }

    /// One connection a job: behind a server that does not answer each takes its time, and others need the workers too.
    fn prove_next(self: &Arc<Self>, proving: ProvingIdle) {
        let inner = self.clone();
        self.workers.run(move || {
            let now = Tick::exact();
            if let Some((conn, taken)) =
                inner.admission.take_for_proof(|conn| inner.has_to_prove_itself(conn, now))
            {
                inner.prove_taken(conn, taken);
                return inner.prove_next(proving);
            }
            drop(proving);
        });
    }

    fn prove_taken(self: &Arc<Self>, mut conn: Parked, taken: Releases) {
        failpoint!(self, "keepalive");
        let answer = match conn.link.poll_idle() {
            IdlePoll::Closed => Answer::Dead,
            IdlePoll::Quiet | IdlePoll::Unsolicited => self.ask(&mut conn, self.settings.validation_timeout),
        };
        if let Some(reason) = self.tell_of_answer(&conn, answer) {
            return self.retire(conn, reason);
        }
        self.put_back_unused(conn, taken);
    }

    /// An idle connection that was away for the pool's own purposes goes back to its place, unless its time is over.
    pub(in crate::pool) fn put_back_unused(self: &Arc<Self>, conn: Parked, taken: Releases) {
        let now = Tick::now();
        let missed = self.notice_standstill(now);
        if let Some(reason) = self.is_overdue(&conn, now.plus(missed)) {
            return self.retire(conn, reason);
        }
        if let Some((conn, reason)) = self.admission.back_from_proof(conn, taken) {
            self.retire(conn, reason);
        }
    }
}
