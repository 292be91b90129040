//! The retry schedule of an idempotent statement whose connection was lost.
//!
//! The first retry is immediate: connections are mostly lost together, before the statement was sent, and the next one is
//! newly opened, with retries of its own. After that something is wrong with the server, or the statement brings it down, so
//! the backoff applies.

use std::time::{Duration, Instant};

use super::backoff::Backoff;

/// The reruns of one statement.
pub(crate) struct Repeats {
    backoff: Backoff,
    end: Option<Instant>,
    /// Number of reruns so far.
    made: u32,
}

impl Repeats {
    /// Creates a schedule: at once, then after the waits of `backoff`; none begins after `end`.
    pub(crate) fn new(backoff: Backoff, end: Option<Instant>) -> Self {
        Self { backoff, end, made: 0 }
    }

    /// Returns the wait before the next rerun; `None` when there is to be none.
    pub(crate) fn next(&mut self, now: Instant) -> Option<Duration> {
        let wait = match self.made {
            0 => Duration::ZERO,
            made => self.backoff.wait(made - 1)?,
        };
        if self.end.is_some_and(|end| now + wait >= end) {
            return None;
        }
        self.made += 1;
        Some(wait)
    }

    /// Returns the number of reruns so far.
    pub(crate) fn made(&self) -> u32 {
        self.made
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repeats(retries: u32, end: Option<Instant>) -> Repeats {
        let (base, max) = (Duration::from_secs(1), Duration::from_secs(5));
        Repeats::new(Backoff { retries, base, max, jitter: 0.0 }, end)
    }

    #[test]
    fn the_first_repetition_is_made_at_once_and_the_others_as_retries_are() {
        let mut repeats = repeats(2, None);
        let waits: Vec<_> = (0..4).map(|_| repeats.next(Instant::now())).collect();
        let seconds = |s| Some(Duration::from_secs(s));
        assert_eq!(waits, [seconds(0), seconds(1), seconds(2), None]);
        assert_eq!(repeats.made(), 3);
    }

    #[test]
    fn without_retries_one_repetition_is_left() {
        let mut repeats = repeats(0, None);
        assert_eq!(repeats.next(Instant::now()), Some(Duration::ZERO));
        assert_eq!(repeats.next(Instant::now()), None);
    }

    #[test]
    fn none_begins_after_the_end() {
        let now = Instant::now();
        assert_eq!(repeats(5, Some(now)).next(now), None);
        let mut repeats = repeats(5, Some(now + Duration::from_millis(500)));
        assert_eq!(repeats.next(now), Some(Duration::ZERO));
        assert_eq!(repeats.next(now), None, "the wait would last longer");
    }
}
