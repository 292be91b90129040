//! Closes idle connections on time. A pool without traffic has one timer, and a pool without
//! idle connections none.

use std::sync::Arc;

use crate::pool::connection::server_connection::Parked;
use crate::pool::core::Core;
use crate::pool::guards::NextTimer;
use crate::pool::tasks::Task;
use crate::pool::telemetry::stats::CloseReason;
use crate::sys::clock::Tick;

impl Core {
    /// Makes sure that housekeeping runs at `due` or earlier.
    #[inline]
    pub(in crate::pool) fn wake_housekeeping_at(self: &Arc<Self>, due: Tick) {
        if self.next_wakeup.is_after(due) {
            self.set_timer(due);
        }
    }

    #[cold]
    fn set_timer(self: &Arc<Self>, due: Tick) {
        if !self.next_wakeup.advance_to(due) {
            return;
        }
        self.later(due.since(Tick::exact()), Task::Housekeep(due));
    }

    /// Closes the connections that are due and sets the next timer. Runs on the timer thread. A timer that was set for a
    /// connection used meanwhile finds nothing to do, which is cheaper than moving it at every return.
    pub(in crate::pool) fn housekeep(self: &Arc<Self>, due: Tick) {
        if !self.next_wakeup.fires(due) {
            return;
        }
        let _next = NextTimer(self.clone());
        failpoint!(self, "housekeeping");
        let now = Tick::exact();
        self.detect_late_timer(due, now);
        self.detect_clock_jump(now);
        self.close_due(now);
        self.validate_idle(now);
    }

    pub(in crate::pool) fn set_next_timer(self: &Arc<Self>) {
        if let Some(next) = self.next_due().into_iter().chain(self.next_validation_due()).min() {
            self.wake_housekeeping_at(next);
        }
    }

    pub(in crate::pool) fn close_due(self: &Arc<Self>, now: Tick) {
        for (conn, reason) in self.take_due(now) {
            self.close_connection(conn, reason);
        }
    }

    fn take_due(&self, now: Tick) -> Vec<(Parked, CloseReason)> {
        let idle_timeout = self.idle_timeout();
        let mut spare = self.spare_idle();
        let expired =
            self.admission.take_idle(|conn| conn.has_expired(now), |c| c.closed(CloseReason::MaxLifetime));
        let idle = self.admission.take_idle(
            // From the bottom of the stack, where the longest idle connections are.
            |conn| {
                let due = spare > 0 && conn.due(idle_timeout) <= now;
                spare -= usize::from(due);
                due
            },
            |c| c.closed(CloseReason::IdleTimeout),
        );
        let expired = expired.into_iter().map(|conn| (conn, CloseReason::MaxLifetime));
        expired.chain(idle.into_iter().map(|conn| (conn, CloseReason::IdleTimeout))).collect()
    }

    /// Returns the number of idle connections beyond `min_idle`.
    fn spare_idle(&self) -> usize {
        let idle = self.admission.snapshot().0.idle;
        idle.saturating_sub(self.settings.min_idle) as usize
    }

    fn next_due(&self) -> Option<Tick> {
        let spare = self.spare_idle();
        let idle_timeout = self.idle_timeout();
        let dues = self.admission.inspect_idle(|conn| (conn.due(idle_timeout), conn.expiry()));
        let of_spare = dues.iter().take(spare).map(|(due, _)| *due).min();
        let of_kept = dues.iter().skip(spare).filter_map(|(_, expiry)| *expiry).min();
        of_spare.into_iter().chain(of_kept).min()
    }
}
