//! Noticing that the process, or the machine below it, stood still.
//!
//! A process stopped by a signal or a frozen control group ages with the rest of the world: the monotonic clock goes on, and
//! so do its connections, in the kernel. A suspended machine ages not: its monotonic clock stops, while servers and the
//! firewalls on the way let go of what they take for dead. What tells is the wall clock, which is ahead afterwards. (So is it
//! when somebody sets it. Then connections prove themselves for nothing, or are closed early, which does no harm.) Where
//! both clocks go on, a timer that rings late tells.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::error::human;
use crate::pool::connection::server_connection::OpenConnection;
use crate::pool::core::Inner;
use crate::pool::telemetry::stats::CloseReason;
use crate::sys::clock::Tick;

/// Standing still for less than this is what a busy machine does. Well above the lag of both clocks, and above what a clock
/// that is slewed (0.05 %) gains in a quarter of an hour between two looks.
const NOTABLE: Duration = Duration::from_millis(500);

/// An idle connection is closed at most this late.
const AT_MOST_LATE: Duration = Duration::from_secs(1);

/// How far the wall clock was ahead of the monotonic one at the last look.
#[derive(Debug, Default)]
pub(in crate::pool) struct Ahead(AtomicU64);

impl Ahead {
    pub(in crate::pool) fn now() -> Self {
        Self(AtomicU64::new(Tick::on_the_wall().since(Tick::now()).as_nanos() as u64))
    }

    /// How much of the time that the wall clock shows the monotonic one has missed since the last look; zero if nothing
    /// worth mentioning. `before` is what is to be done before anybody else takes the two for agreed.
    fn missed(&self, monotonic: Tick, wall: Tick, before: impl FnOnce(Duration)) -> Duration {
        let ahead = wall.since(monotonic);
        let seen = self.0.load(Relaxed);
        let missed = ahead.saturating_sub(Duration::from_nanos(seen));
        let missed = if missed >= NOTABLE { missed } else { Duration::ZERO };
        if !missed.is_zero() {
            before(missed);
        }
        self.0.store(ahead.as_nanos() as u64, Relaxed);
        missed
    }
}

impl Inner {
    /// Looks whether the machine stood still since the last look. If so every connection has to prove itself, and those are
    /// closed whose time is up by the wall clock. Returns for how long it did.
    pub(in crate::pool) fn notice_standstill(self: &Arc<Self>, now: Tick) -> Duration {
        self.ahead.missed(now, Tick::on_the_wall(), |missed| {
            self.stood_still(missed);
            self.close_due(now.plus(missed));
        })
    }

    #[cold]
    fn stood_still(&self, missed: Duration) {
        if !self.trust.begin_era_after(self.trust.era()) {
            return; // Another thread has noticed as well.
        }
        self.log.info(
            &[("stood_still_ms", (missed.as_millis() as u64).into())],
            format_args!(
                "the process stood still for {}, or the clock was set: every connection proves itself before its next use",
                human(missed)
            ),
        );
    }

    /// Looks whether the timer that rings now was held up by more than a busy machine explains.
    pub(in crate::pool) fn notice_late_alarm(&self, due: Tick, now: Tick) {
        let late = now.since(due);
        if late >= AT_MOST_LATE {
            self.stood_still(late);
        }
    }

    /// Why a connection just taken from the idle stack must not be lent: it should have been closed long ago, by a timer
    /// that has not had its turn yet. `now` is ahead of the clock by what that missed.
    #[inline]
    pub(in crate::pool) fn is_overdue(&self, conn: &OpenConnection, now: Tick) -> Option<CloseReason> {
        if conn.has_expired(now) {
            return Some(CloseReason::MaxLifetime);
        }
        let idle_end = conn.parked_at.plus(self.settings.idle_timeout + AT_MOST_LATE);
        // Those that `min_idle` keeps may be idle for as long as they like. This one is out of the stack already.
        let overdue = idle_end <= now && self.admission.snapshot().0.idle >= self.settings.min_idle;
        overdue.then_some(CloseReason::IdleTimeout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::{Pool, PoolConfig};

    /// As if the machine had slept for so long since the last look.
    fn sleep(pool: &Pool, length: Duration) {
        pool.inner.ahead.0.fetch_sub(length.as_nanos() as u64, Relaxed);
        // So long that an idle connection is looked at.
        std::thread::sleep(Duration::from_millis(15));
    }

    /// A pool that believes of what is idle that it works.
    fn believer() -> Pool {
        Pool::echo(PoolConfig::new().max_size(2).validate_after_idle(Duration::from_secs(3_600))).unwrap()
    }

    #[test]
    fn after_a_sleep_of_the_machine_all_that_is_held_proves_itself_idle_or_lent() {
        let pool = believer();
        let lent = pool.get().unwrap();
        drop(pool.get().unwrap());
        sleep(&pool, Duration::ZERO);
        drop(pool.get().unwrap());
        assert_eq!(pool.stats().validations, 0, "no proof is asked for");
        sleep(&pool, Duration::from_secs(5));
        drop(pool.get().unwrap());
        assert_eq!(pool.stats().validations, 1, "the idle one answered");
        drop(lent);
        let both = [pool.get().unwrap(), pool.get().unwrap()];
        drop(both);
        assert_eq!(pool.stats().validations, 2, "and the lent one when it had come back; each once");
        assert_eq!(pool.stats().opens, 2);
    }

    #[test]
    fn after_a_sleep_of_the_machine_beyond_idle_timeout_nothing_idle_is_lent() {
        let pool = believer();
        drop([pool.get().unwrap(), pool.get().unwrap()]);
        sleep(&pool, Duration::from_secs(20));
        drop(pool.get().unwrap());
        let stats = pool.stats();
        assert_eq!((stats.opens, stats.closes_by(CloseReason::IdleTimeout)), (3, 2));
        assert_eq!((stats.gets, stats.validations), (3, 0));
    }

    #[test]
    fn an_alarm_that_rings_late_tells_of_a_freeze() {
        let pool = believer();
        drop(pool.get().unwrap());
        let now = Tick::exact();
        pool.inner.notice_late_alarm(now, now.plus(Duration::from_millis(900)));
        drop(pool.get().unwrap());
        assert_eq!(pool.stats().validations, 0, "a busy machine");
        pool.inner.notice_late_alarm(now, now.plus(Duration::from_secs(2)));
        drop(pool.get().unwrap());
        assert_eq!(pool.stats().validations, 1);
    }

    fn at(millis: u64) -> Tick {
        Tick::from_word(millis * 1_000_000)
    }

    /// When `ahead` is told this, in milliseconds of either clock.
    fn missed(ahead: &Ahead, monotonic: u64, wall: u64) -> u64 {
        let mut told = Duration::ZERO;
        let missed = ahead.missed(at(monotonic), at(wall), |missed| told = missed);
        assert_eq!(told, missed);
        missed.as_millis() as u64
    }

    #[test]
    fn what_the_monotonic_clock_has_missed_is_noticed_once() {
        let ahead = Ahead(AtomicU64::new(1_000_000 * 1_000_000));
        assert_eq!(missed(&ahead, 100, 1_000_100), 0);
        assert_eq!(missed(&ahead, 5_100, 1_005_110), 0, "both went on; one lags by a tick");
        assert_eq!(missed(&ahead, 5_101, 1_095_101), 89_990, "a minute and a half of sleep");
        assert_eq!(missed(&ahead, 5_102, 1_095_102), 0);
    }

    #[test]
    fn a_clock_that_is_slewed_or_set_back_means_nothing() {
        let ahead = Ahead(AtomicU64::new(1_000_000 * 1_000_000));
        for look in 1..100 {
            assert_eq!(missed(&ahead, look * 1_000, 1_000_000 + look * 1_001), 0);
        }
        assert_eq!(missed(&ahead, 100_000, 500_000), 0, "set back");
        assert_eq!(missed(&ahead, 101_000, 501_000), 0);
        assert_eq!(missed(&ahead, 101_001, 503_001), 2_000, "and then asleep");
    }
}
