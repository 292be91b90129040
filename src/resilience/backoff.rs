//! The schedule of retries: `min(base * 2^attempt, max)`, each wait shortened by a random share.

use std::time::Duration;

/// The number of retries and the waits before them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Backoff {
    pub(crate) retries: u32,
    pub(crate) base: Duration,
    pub(crate) max: Duration,
    /// 0 to 1: the largest share of a wait that chance may cut off, so that a fleet does not retry in step.
    pub(crate) jitter: f64,
}

impl Backoff {
    /// The wait before retry number `retry` (the first is 0), or `None` when no retry is left.
    pub(crate) fn wait(&self, retry: u32) -> Option<Duration> {
        self.wait_with(retry, fastrand::f64())
    }

    /// `chance` is uniform in 0..1; injected by tests.
    fn wait_with(&self, retry: u32, chance: f64) -> Option<Duration> {
        if retry >= self.retries {
            return None;
        }
        let doubled = self.base.checked_mul(2u32.saturating_pow(retry)).unwrap_or(self.max);
        Some(doubled.min(self.max).mul_f64(1.0 - self.jitter * chance))
    }
}

/// Returns a wait between half of `wait` and all of it, so that waiters for the same event spread out. `chance` is uniform in
/// 0..1.
pub(super) fn shortened(wait: Duration, chance: f64) -> Duration {
    wait.mul_f64(1.0 - chance / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cure(retries: u32, jitter: f64) -> Backoff {
        Backoff { retries, base: Duration::from_secs(1), max: Duration::from_secs(5), jitter }
    }

    #[test]
    fn without_jitter_the_waits_are_one_two_four_and_then_five_seconds() {
        let schedule: Vec<_> = (0..6).map(|i| cure(5, 0.0).wait(i)).collect();
        let seconds = |s| Some(Duration::from_secs(s));
        assert_eq!(schedule, [seconds(1), seconds(2), seconds(4), seconds(5), seconds(5), None]);
    }

    #[test]
    fn jitter_shortens_a_wait_by_at_most_its_share() {
        let full = cure(1, 0.2).wait_with(0, 0.0).expect("one retry");
        let least = cure(1, 0.2).wait_with(0, 1.0).expect("one retry");
        assert_eq!((full, least), (Duration::from_secs(1), Duration::from_millis(800)));
    }

    #[test]
    fn a_huge_retry_number_stays_at_the_longest_wait() {
        assert_eq!(cure(u32::MAX, 0.0).wait(4_000_000), Some(Duration::from_secs(5)));
    }
}
