//! The offset between the two clocks, which shows that the machine was suspended: see
//! `lifecycle/clock_jump.rs`.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::sys::clock::Tick;

/// The shortest jump that counts; a busy machine explains shorter ones. Well above the lag of both clocks, and above what a
/// clock that is slewed (0.05 %) gains in a quarter of an hour between two checks.
const MIN_CLOCK_JUMP: Duration = Duration::from_millis(500);

/// The lead of the wall clock over the monotonic one at the last check.
#[derive(Debug, Default)]
pub(in crate::pool) struct ClockOffset(AtomicU64);

impl ClockOffset {
    pub(in crate::pool) fn now() -> Self {
        Self(AtomicU64::new(Tick::on_the_wall().since(Tick::now()).as_nanos() as u64))
    }

    /// Returns how much time the monotonic clock has missed against the wall clock since the last check; zero below
    /// [`MIN_CLOCK_JUMP`]. Calls `before` with it before other threads can see the new offset.
    pub(in crate::pool) fn missed(
        &self,
        monotonic: Tick,
        wall: Tick,
        before: impl FnOnce(Duration),
    ) -> Duration {
        let ahead = wall.since(monotonic);
        let seen = self.0.load(Relaxed);
        let missed = ahead.saturating_sub(Duration::from_nanos(seen));
        let missed = if missed >= MIN_CLOCK_JUMP { missed } else { Duration::ZERO };
        if !missed.is_zero() {
            before(missed);
        }
        self.0.store(ahead.as_nanos() as u64, Relaxed);
        missed
    }

    /// Simulates a sleep of the machine since the last check.
    #[cfg(test)]
    pub(in crate::pool) fn slept(&self, length: Duration) {
        self.0.fetch_sub(length.as_nanos() as u64, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Tick {
        Tick::from_word(millis * 1_000_000)
    }

    /// Returns what is missed at these times, in milliseconds of either clock.
    fn missed(ahead: &ClockOffset, monotonic: u64, wall: u64) -> u64 {
        let mut notified = Duration::ZERO;
        let missed = ahead.missed(at(monotonic), at(wall), |missed| notified = missed);
        assert_eq!(notified, missed);
        missed.as_millis() as u64
    }

    #[test]
    fn what_the_monotonic_clock_has_missed_is_noticed_once() {
        let ahead = ClockOffset(AtomicU64::new(1_000_000 * 1_000_000));
        assert_eq!(missed(&ahead, 100, 1_000_100), 0);
        assert_eq!(missed(&ahead, 5_100, 1_005_110), 0, "both went on; one lags by a tick");
        assert_eq!(missed(&ahead, 5_101, 1_095_101), 89_990, "a minute and a half of sleep");
        assert_eq!(missed(&ahead, 5_102, 1_095_102), 0);
    }

    #[test]
    fn a_clock_that_is_slewed_or_set_back_means_nothing() {
        let ahead = ClockOffset(AtomicU64::new(1_000_000 * 1_000_000));
        for look in 1..100 {
            assert_eq!(missed(&ahead, look * 1_000, 1_000_000 + look * 1_001), 0);
        }
        assert_eq!(missed(&ahead, 100_000, 500_000), 0, "set back");
        assert_eq!(missed(&ahead, 101_000, 501_000), 0);
        assert_eq!(missed(&ahead, 101_001, 503_001), 2_000, "and then asleep");
    }
}
