//! Permanent failures: when to try again after one.
//!
//! A wrong password, an unknown database, a certificate that does not match: the next attempt fails alike, each costs the
//! server an authentication, and some servers lock the account after a few. So after the first failure only a slow probe tries
//! again. It begins when a caller wants a connection and the last attempt is long enough ago: a second, doubled each time, a
//! minute at most, shortened at random by up to a half.
//!
//! Where the source of a refused password may give another, it is asked sooner: when the next caller wants a connection, and then
//! after waits that double from a tenth of a second to a second. If it does give another and that is refused too, the waits double
//! up to a minute: a source that makes a new token each time must not have the server asked ever again.

use std::time::{Duration, Instant};

use super::backoff::shortened;

const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Doubled before it is waited for the first time.
const FIRST_WAIT_FOR_PASSWORD: Duration = Duration::from_millis(50);
const LONGEST_WAIT_FOR_SAME_PASSWORD: Duration = Duration::from_secs(1);

/// A permanent failure, and the schedule of its probes.
#[derive(Debug)]
pub(crate) struct PermanentFailurePolicy {
    pub(crate) since: Instant,
    /// The time of the last attempt.
    pub(crate) asked: Instant,
    wait: Duration,
    next_probe: Instant,
    password_wait: Duration,
    /// The time from which the source of the password may be asked again.
    next_password: Instant,
    /// The source gave another password, which the next attempt tries.
    tries_another: bool,
}

impl PermanentFailurePolicy {
    /// `chance` is uniform in 0..1, here and below.
    pub(crate) fn new(now: Instant, chance: f64) -> Self {
        let next_probe = now + shortened(FIRST_WAIT, chance);
        Self {
            since: now,
            asked: now,
            wait: FIRST_WAIT,
            next_probe,
            password_wait: FIRST_WAIT_FOR_PASSWORD,
            next_password: now,
            tries_another: false,
        }
    }

    /// Records another attempt that failed alike.
    pub(crate) fn again(&mut self, now: Instant, chance: f64) {
        // Two attempts in progress together count once.
        if now >= self.next_probe {
            self.wait = (self.wait * 2).min(LONGEST_WAIT);
        }
        self.asked = now;
        self.next_probe = now + shortened(self.wait, chance);
        if std::mem::take(&mut self.tries_another) {
            self.password_wait = (self.password_wait * 2).min(LONGEST_WAIT);
            self.next_password = now + self.password_wait;
        }
    }

    /// Takes the right to ask the source of the password. `false` when that is not due.
    pub(crate) fn begin_asking_source(&mut self, now: Instant) -> bool {
        if now < self.next_password {
            return false;
        }
        if self.password_wait < LONGEST_WAIT_FOR_SAME_PASSWORD {
            self.password_wait = (self.password_wait * 2).min(LONGEST_WAIT_FOR_SAME_PASSWORD);
        }
        self.next_password = now + self.password_wait;
        true
    }

    /// Records that the source gave another password.
    pub(crate) fn has_another_password(&mut self) {
        self.tries_another = true;
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
    fn the_source_of_the_password_is_asked_every_second_while_it_gives_the_same() {
        let start = Instant::now();
        let mut refusal = PermanentFailurePolicy::new(start, 0.0);
        let mut asked = Vec::new();
        for tenths in 0..60 {
            if refusal.begin_asking_source(start + tenths * Duration::from_millis(100)) {
                asked.push(tenths);
            }
        }
        assert_eq!(asked, [0, 1, 3, 7, 15, 25, 35, 45, 55]);
    }

    #[test]
    fn attempts_with_the_same_password_do_not_put_the_question_for_another_off() {
        let start = Instant::now();
        let mut refusal = PermanentFailurePolicy::new(start, 0.0);
        let mut asked = 0;
        for second in 0..60 {
            let now = start + Duration::from_secs(second);
            asked += u32::from(refusal.begin_asking_source(now));
            if refusal.may_ask_again(now) {
                refusal.again(now, 0.0);
            }
        }
        assert_eq!(asked, 60);
    }

    #[test]
    fn new_passwords_that_are_refused_too_are_tried_ever_more_rarely() {
        let start = Instant::now();
        let mut refusal = PermanentFailurePolicy::new(start, 0.0);
        let mut attempts = 0;
        for second in 0..600 {
            let now = start + Duration::from_secs(second);
            if refusal.begin_asking_source(now) {
                attempts += 1;
                refusal.has_another_password();
                refusal.again(now, 0.0);
            }
        }
        assert!((10..=20).contains(&attempts), "{attempts} in ten minutes");
    }

    #[test]
    fn chance_shortens_a_wait_by_at_most_half() {
        let now = Instant::now();
        assert_eq!(PermanentFailurePolicy::new(now, 1.0).next_probe(), now + FIRST_WAIT / 2);
    }
}
