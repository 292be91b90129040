//! Keepalive: validates idle connections every `keepalive_interval`. A dead one is found, and replaced where `min_idle` calls
//! for it, before a caller needs it; and firewalls on the way and the server see that the connection is used.
//!
//! Callers are never delayed: each pool validates one connection at a time, and none while callers wait. A validation does
//! not count as use: a connection that is not checked out is closed after `idle_timeout`, as ever.

use std::sync::Arc;

use crate::link::IdlePoll;
use crate::pool::connection::server_connection::{OpenConnection, Parked};
use crate::pool::connection::validation::CheckResult;
use crate::pool::core::Core;
use crate::pool::guards::IdleValidation;
use crate::pool::tasks::Task;
use crate::sys::clock::Tick;

impl Core {
    /// Returns when housekeeping has to handle a connection that is parked now.
    #[inline]
    pub(in crate::pool) fn attention_due(&self, conn: &OpenConnection) -> Tick {
        let end = conn.due(self.idle_timeout());
        self.validation_due(conn).map_or(end, |due| due.min(end))
    }

    #[inline]
    fn validation_due(&self, conn: &OpenConnection) -> Option<Tick> {
        self.settings.keepalive_interval.map(|interval| conn.heard_at.plus(interval))
    }

    /// Returns when the next idle connection has to be validated; `None` while a run is under way.
    pub(in crate::pool) fn next_validation_due(&self) -> Option<Tick> {
        if self.settings.keepalive_interval.is_none() || self.validates_idle.is_under_way() {
            return None;
        }
        let dues = self.admission.inspect_idle(|conn| self.validation_due(conn));
        // A connection that is due but could not be taken, because callers wait, is tried again in a moment.
        dues.into_iter().flatten().min().map(|due| due.max(Tick::exact().plus(Tick::RESOLUTION)))
    }

    /// Has a worker validate the connections that are due. Runs on the timer thread.
    pub(in crate::pool) fn validate_idle(self: &Arc<Self>, now: Tick) {
        let is_due = |conn: &Parked| self.needs_validation(conn, now);
        if self.settings.keepalive_interval.is_none() || !self.admission.inspect_idle(is_due).contains(&true)
        {
            return;
        }
        if let Some(validation) = self.begin_idle_validation() {
            self.start(Task::ValidateIdle(validation));
        }
    }

    fn needs_validation(&self, conn: &OpenConnection, now: Tick) -> bool {
        self.validation_due(conn).is_some_and(|due| due <= now)
            || conn.must_revalidate
            || !self.revalidation.allows_reuse(conn.heard_at, conn.epoch)
    }

    /// Validates one connection, and the next in a task of its own: at a server that does not answer each takes long, and other
    /// tasks need the workers. Runs on a worker.
    pub(in crate::pool) fn validate_next(self: &Arc<Self>, validation: IdleValidation) {
        let now = Tick::exact();
        let taken = self.admission.take_for_validation(|conn| self.needs_validation(conn, now));
        if let Some(conn) = taken {
            self.validate_taken(conn);
            self.start(Task::ValidateIdle(validation));
        }
    }

    fn validate_taken(self: &Arc<Self>, mut conn: Parked) {
        failpoint!(self, "keepalive");
        let answer = match conn.link.poll_idle() {
            IdlePoll::Closed => CheckResult::Dead,
            IdlePoll::Quiet | IdlePoll::Unsolicited => {
                self.health_check(&mut conn, self.settings.validation_timeout)
            }
        };
        if let Some(reason) = self.conclude_check(&conn, answer) {
            return self.retire(conn, reason);
        }
        self.put_back_unused(conn);
    }

    /// Puts an idle connection that the pool used itself back to its place, unless its time is over.
    pub(in crate::pool) fn put_back_unused(self: &Arc<Self>, conn: Parked) {
        let now = Tick::now();
        let missed = self.detect_clock_jump(now);
        if let Some(reason) = self.is_overdue(&conn, now.plus(missed)) {
            return self.retire(conn, reason);
        }
        if let Some((conn, reason)) = self.admission.back_from_validation(conn) {
            self.retire(conn, reason);
        }
    }
}
