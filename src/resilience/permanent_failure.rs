//! Permanent failures: when to try again after one.
//!
//! A wrong password, an unknown database, a certificate that does not match: the next attempt fails alike, each costs the
//! server an authentication, and some servers lock the account after a few. So after the first failure only a slow probe tries
//! again. It begins when a caller wants a connection and the last attempt is long enough ago: a second, doubled each time, a
//! minute at most, shortened at random by up to a half.

use std::time::{Duration, Instant};

use super::backoff::shortened;

const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// A permanent failure, and the schedule of its probes.
#[derive(Debug)]
pub(crate) struct PermanentFailurePolicy {
    pub(crate) since: Instant,
    /// The time of the last attempt.
    pub(crate) asked: Instant,
    wait: Duration,
    next_probe: Instant,
}

impl PermanentFailurePolicy {
    /// `chance` is uniform in 0..1, here and below.
    pub(crate) fn new(now: Instant, chance: f64) -> Self {
        let next_probe = now + shortened(FIRST_WAIT, chance);
        Self { since: now, asked: now, wait: FIRST_WAIT, next_probe }
    }

    /// Records another attempt that failed alike.
    pub(crate) fn again(&mut self, now: Instant, chance: f64) {
        // Two attempts in progress together count once.
        if now >= self.next_probe {
            self.wait = (self.wait * 2).min(LONGEST_WAIT);
        }
        self.asked = now;
        self.next_probe = now + shortened(self.wait, chance);
    }

    pub(crate) fn may_ask_again(&self, now: Instant) -> bool {
        self.next_probe <= now
    }

    pub(crate) fn next_probe(&self) -> Instant {
        self.next_probe
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_asked_again_after_waits_that_double_up_to_a_minute() {
        let mut now = Instant::now();
        let mut refusal = PermanentFailurePolicy::new(now, 0.0);
        for wait in [1, 2, 4, 8, 16, 32, 60, 60] {
            let next = now + Duration::from_secs(wait);
            assert!(!refusal.may_ask_again(next - Duration::from_millis(1)), "before {wait} s");
            assert!(refusal.may_ask_again(next), "after {wait} s");
            now = next;
            refusal.again(now, 0.0);
        }
    }

    #[test]
    fn refusals_of_what_was_asked_together_count_once() {
        let now = Instant::now();
        let mut refusal = PermanentFailurePolicy::new(now, 0.0);
        for _ in 0..5 {
            refusal.again(now, 0.0);
        }
        assert_eq!(refusal.next_probe(), now + FIRST_WAIT);
    }

    #[test]
    fn chance_shortens_a_wait_by_at_most_half() {
        let now = Instant::now();
        assert_eq!(PermanentFailurePolicy::new(now, 1.0).next_probe(), now + FIRST_WAIT / 2);
    }
}
