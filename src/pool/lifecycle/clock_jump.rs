//! Detects that the process was stopped or the machine suspended.
//!
//! A process stopped by a signal or a frozen control group ages with the rest of the world: the monotonic clock goes on, and
//! so do its connections, in the kernel. A suspended machine does not age: its monotonic clock stops, while servers and the
//! firewalls on the way drop connections that they take for dead. The wall clock, which is ahead afterwards, shows it. (It is
//! ahead as well when it was set. Then connections are validated for nothing, or closed early, which does no harm.) Where
//! both clocks go on, a timer that fires late shows it.

use std::sync::Arc;
use std::time::Duration;

use crate::error::human;
use crate::pool::connection::server_connection::OpenConnection;
use crate::pool::core::Core;
use crate::pool::telemetry::stats::CloseReason;
use crate::sys::clock::Tick;

/// The longest delay with which a timer closes an idle connection.
const MAX_TIMER_LAG: Duration = Duration::from_secs(1);

impl Core {
    /// Checks whether the machine stood still since the last check. If so, every connection must be validated, and those whose
    /// time is up by the wall clock are closed. Returns for how long it stood still.
    pub(in crate::pool) fn detect_clock_jump(self: &Arc<Self>, now: Tick) -> Duration {
        self.clock_offset.missed(now, Tick::on_the_wall(), |missed| {
            self.note_standstill(missed);
            self.close_due(now.plus(missed));
        })
    }

    #[cold]
    fn note_standstill(&self, missed: Duration) {
        if !self.revalidation.begin_epoch_after(self.revalidation.epoch()) {
            return; // Another thread has noticed as well.
        }
        self.log.info(
            &[("stood_still_ms", (missed.as_millis() as u64).into())],
            format_args!(
                "the process stood still for {}, or the clock was set: every connection is validated before its next use",
                human(missed)
            ),
        );
    }

    /// Checks whether the timer that fires now is later than a busy machine explains.
    pub(in crate::pool) fn detect_late_timer(&self, due: Tick, now: Tick) {
        let late = now.since(due);
        if late >= MAX_TIMER_LAG {
            self.note_standstill(late);
        }
    }

    /// Returns why a connection just taken from the idle stack must not be checked out: a timer that has not fired yet should
    /// have closed it. `now` is ahead of the clock by the time that the clock missed.
    #[inline]
    pub(in crate::pool) fn is_overdue(&self, conn: &OpenConnection, now: Tick) -> Option<CloseReason> {
        if conn.has_expired(now) {
            return Some(CloseReason::MaxLifetime);
        }
        let idle_end = conn.parked_at.plus(self.settings.idle_timeout + MAX_TIMER_LAG);
        // Connections that `min_idle` keeps may be idle without limit. This one is out of the stack already.
        let overdue = idle_end <= now && self.admission.snapshot().0.idle >= self.settings.min_idle;
        overdue.then_some(CloseReason::IdleTimeout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::{Pool, PoolConfig};

    /// Simulates a sleep of the machine since the last check.
    fn sleep(pool: &Pool, length: Duration) {
        pool.core.clock_offset.slept(length);
        // Long enough that an idle connection's socket is polled.
        std::thread::sleep(Duration::from_millis(15));
    }

    /// Makes a pool that takes idle connections to work.
    fn unsuspecting() -> Pool {
        Pool::echo(PoolConfig::new().max_size(2).validate_after_idle(Duration::from_secs(3_600))).unwrap()
    }

    #[test]
    fn after_a_sleep_of_the_machine_every_connection_is_validated_idle_or_checked_out() {
        let pool = unsuspecting();
        let held = pool.get().unwrap();
        drop(pool.get().unwrap());
        sleep(&pool, Duration::ZERO);
        drop(pool.get().unwrap());
        assert_eq!(pool.stats().validations, 0, "nothing is validated");
        sleep(&pool, Duration::from_secs(5));
        drop(pool.get().unwrap());
        assert_eq!(pool.stats().validations, 1, "the idle one answered");
        drop(held);
        let both = [pool.get().unwrap(), pool.get().unwrap()];
        drop(both);
        assert_eq!(pool.stats().validations, 2, "and the one in use when it had come back; each once");
        assert_eq!(pool.stats().opens, 2);
    }

    #[test]
    fn after_a_sleep_of_the_machine_beyond_idle_timeout_nothing_idle_is_checked_out() {
        let pool = unsuspecting();
        drop([pool.get().unwrap(), pool.get().unwrap()]);
        sleep(&pool, Duration::from_secs(20));
        drop(pool.get().unwrap());
        let stats = pool.stats();
        assert_eq!((stats.opens, stats.closes_by(CloseReason::IdleTimeout)), (3, 2));
        assert_eq!((stats.gets, stats.validations), (3, 0));
    }

    #[test]
    fn a_timer_that_fires_late_shows_a_freeze() {
        let pool = unsuspecting();
        drop(pool.get().unwrap());
        let now = Tick::exact();
        pool.core.detect_late_timer(now, now.plus(Duration::from_millis(900)));
        drop(pool.get().unwrap());
        assert_eq!(pool.stats().validations, 0, "a busy machine");
        pool.core.detect_late_timer(now, now.plus(Duration::from_secs(2)));
        drop(pool.get().unwrap());
        assert_eq!(pool.stats().validations, 1);
    }
}
