//! Closes idle connections on the dot and keeps `min_idle` filled. With no traffic there is nothing but one timer, and
//! without idle connections not even that.

use std::sync::Arc;
use std::time::Instant;

use super::capacity::{Capacity, MinIdle};
use super::failpoint::failpoint;
use crate::pool::core::Inner;
use crate::pool::telemetry::stats::CloseReason;
use crate::sys::clock::Tick;

impl Inner {
    /// Makes sure that housekeeping runs at `due` or earlier.
    #[inline]
    pub(in crate::pool) fn wake_housekeeping_at(self: &Arc<Self>, due: Tick) {
        if self.alarm.rings_after(due) {
            self.set_alarm(due);
        }
    }

    #[cold]
    fn set_alarm(self: &Arc<Self>, due: Tick) {
        if !self.alarm.advance_to(due) {
            return;
        }
        self.later(due.since(Tick::exact()), move |inner| inner.alarm_rings(due));
    }

    /// On the timer thread: closes what is due and sets the next alarm. An alarm that was set for a connection used
    /// meanwhile finds nothing to do, which is cheaper than moving it at every return.
    fn alarm_rings(self: &Arc<Self>, due: Tick) {
        if !self.alarm.rings(due) {
            return;
        }
        let _next = NextAlarm(self.clone());
        failpoint!(self, "housekeeping");
        let now = Tick::exact();
        self.notice_late_alarm(due, now);
        self.notice_standstill(now);
        self.close_due(now);
        self.prove_idle(now);
    }

    pub(in crate::pool) fn set_next_alarm(self: &Arc<Self>) {
        if let Some(next) = self.next_due().into_iter().chain(self.next_proof_due()).min() {
            self.wake_housekeeping_at(next);
        }
    }

    pub(in crate::pool) fn close_due(self: &Arc<Self>, now: Tick) {
        for (conn, reason) in self.take_due(now) {
            self.see_off(conn, reason);
        }
    }

    fn take_due(&self, now: Tick) -> Vec<(crate::pool::connection::server_connection::Parked, CloseReason)> {
        let idle_timeout = self.idle_timeout();
        let mut spare = self.spare_idle();
        let expired =
            self.admission.take_idle(|conn| conn.has_expired(now), |c| c.closed(CloseReason::MaxLifetime));
        let idle = self.admission.take_idle(
            // The stack is looked at from its bottom, where those idle the longest are.
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

    /// How many idle connections there are beyond `min_idle`.
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

    /// Opens what `min_idle` asks for, on a worker. Does nothing at the default of 0: an idle pool dials nobody.
    pub(in crate::pool) fn refill(self: &Arc<Self>) {
        if self.settings.min_idle == 0 || self.rests() {
            return;
        }
        let capacity = match self.reserve_for_min_idle() {
            MinIdle::IsMet => return,
            // Others open just now, or the server refuses.
            MinIdle::HasNoCapacity => return self.refill_later(),
            MinIdle::MayOpen(_) if self.governor.is_out() => return self.refill_later(),
            MinIdle::MayOpen(capacity) => capacity,
        };
        let refill = Refill { inner: self.clone(), is_done: false };
        self.workers.run_opening(move || refill.run(capacity));
    }

    fn refill_later(self: &Arc<Self>) {
        let Some(flight) = self.refills_later.begin() else { return };
        self.later(self.settings.retry_max_delay, |inner| {
            drop(flight);
            inner.refill();
        });
    }
}

/// Sets the next alarm on every way out.
pub(in crate::pool) struct NextAlarm(pub(in crate::pool) Arc<Inner>);

impl Drop for NextAlarm {
    fn drop(&mut self) {
        self.0.set_next_alarm();
    }
}

/// Opens one connection for `min_idle`. If that fails, in whatever way, it is tried again later.
struct Refill {
    inner: Arc<Inner>,
    is_done: bool,
}

impl Refill {
    fn run(mut self, capacity: Capacity) {
        let inner = self.inner.clone();
        failpoint!(inner, "refilling");
        match inner.open(capacity, Instant::now() + inner.settings.connection_timeout) {
            Ok(conn) => {
                self.is_done = true;
                if inner.rests() {
                    return inner.retire(conn, CloseReason::Released);
                }
                inner.give_back(conn);
                inner.refill();
            }
            Err(e) => inner.log.warn(&[], format_args!("could not fill min_idle: {e}")),
        }
    }
}

impl Drop for Refill {
    fn drop(&mut self) {
        if !self.is_done {
            self.inner.refill_later();
        }
    }
}
