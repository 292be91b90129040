//! A cheap clock for hot paths: monotonic, at the resolution of the kernel's tick, for 5 ns where `Instant::now` takes 25.

use std::time::Duration;

use rustix::time::ClockId;

/// A moment of the monotonic clock, at most one [`Tick::RESOLUTION`] behind the true one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tick(u64);

impl Tick {
    /// The most that a tick may lag behind: 10 ms at the slowest kernel tick in use (100 Hz).
    pub(crate) const RESOLUTION: Duration = Duration::from_millis(10);

    /// Returns the present tick.
    pub(crate) fn now() -> Self {
        #[cfg(target_os = "linux")]
        const COARSE: ClockId = ClockId::MonotonicCoarse;
        #[cfg(not(target_os = "linux"))]
        const COARSE: ClockId = ClockId::Monotonic;
        Self::read(COARSE)
    }

    /// Returns the present moment without the lag, on the same scale.
    pub(crate) fn exact() -> Self {
        Self::read(ClockId::Monotonic)
    }

    /// Returns the wall clock's present tick, on a scale of its own: since 1970. That clock runs on while the machine is
    /// suspended, and can be set.
    pub(crate) fn on_the_wall() -> Self {
        #[cfg(target_os = "linux")]
        const COARSE: ClockId = ClockId::RealtimeCoarse;
        #[cfg(not(target_os = "linux"))]
        const COARSE: ClockId = ClockId::Realtime;
        Self::read(COARSE)
    }

    fn read(clock: ClockId) -> Self {
        let t = rustix::time::clock_gettime(clock);
        Self((t.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(t.tv_nsec as u64))
    }

    pub(crate) fn since(self, earlier: Tick) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    pub(crate) fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }

    pub(crate) fn to_word(self) -> u64 {
        self.0
    }

    pub(crate) fn from_word(word: u64) -> Self {
        Self(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_lags_behind_the_exact_moment_by_at_most_its_resolution() {
        let before = Tick::exact();
        let tick = Tick::now();
        assert!(tick <= Tick::exact());
        assert!(before.since(tick) <= Tick::RESOLUTION, "{:?}", before.since(tick));
    }
}
