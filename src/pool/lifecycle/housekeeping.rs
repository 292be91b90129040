//! Closes idle connections on time and keeps `min_idle` filled. A pool without traffic has one timer, and a pool without
//! idle connections none.

use std::sync::Arc;
use std::time::Instant;

use super::capacity::{Capacity, MinIdle};
use super::failpoint::failpoint;
use crate::pool::core::Core;
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
        self.later(due.since(Tick::exact()), move |core| core.housekeeping_due(due));
    }

    /// Closes the connections that are due and sets the next timer. Runs on the timer thread. A timer that was set for a
    /// connection used meanwhile finds nothing to do, which is cheaper than moving it at every return.
    fn housekeeping_due(self: &Arc<Self>, due: Tick) {
        if !self.next_wakeup.fires(due) {
            return;
        }
        let _next = SetNextTimer(self.clone());
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

    fn take_due(&self, now: Tick) -> Vec<(crate::pool::connection::server_connection::Parked, CloseReason)> {
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

    /// Opens the connections that `min_idle` calls for, on a thread for openings. Does nothing at the default of 0: an idle
    /// pool opens no connection.
    pub(in crate::pool) fn refill(self: &Arc<Self>) {
        if self.settings.min_idle == 0 || self.refill_is_paused() {
            return;
        }
        let capacity = match self.reserve_for_min_idle() {
            MinIdle::IsMet => return,
            // Other openings are under way, or the server refuses.
            MinIdle::HasNoCapacity => return self.refill_later(),
            MinIdle::MayOpen(_) if self.coordinator.is_out() => return self.refill_later(),
            MinIdle::MayOpen(capacity) => capacity,
        };
        let refill = Refill { core: self.clone(), is_done: false };
        self.workers.run_opening(move || refill.run(capacity));
    }

    fn refill_later(self: &Arc<Self>) {
        let Some(flight) = self.refills_later.begin() else { return };
        self.later(self.settings.retry_max_delay, |core| {
            drop(flight);
            core.refill();
        });
    }
}

/// Sets the next timer on every way out.
pub(in crate::pool) struct SetNextTimer(pub(in crate::pool) Arc<Core>);

impl Drop for SetNextTimer {
    fn drop(&mut self) {
        self.0.set_next_timer();
    }
}

/// Opens one connection for `min_idle`. After a failure of any kind it is tried again later.
struct Refill {
    core: Arc<Core>,
    is_done: bool,
}

impl Refill {
    fn run(mut self, capacity: Capacity) {
        let core = self.core.clone();
        failpoint!(core, "refilling");
        match core.open(capacity, Instant::now() + core.settings.connection_timeout) {
            Ok(conn) => {
                self.is_done = true;
                if core.refill_is_paused() {
                    return core.retire(conn, CloseReason::Released);
                }
                core.give_back(conn);
                core.refill();
            }
            Err(e) => core.log.warn(&[], format_args!("could not fill min_idle: {e}")),
        }
    }
}

impl Drop for Refill {
    fn drop(&mut self) {
        if !self.is_done {
            self.core.refill_later();
        }
    }
}
