//! When a statement that may be repeated is run again after its connection was lost under it.
//!
//! The first time at once: connections are mostly lost together, before the statement was asked for, and the next one is
//! opened anew, with retries of its own. After that something is wrong with the server, or the statement is what brings it
//! down, so that the schedule of retries holds.

use std::time::{Duration, Instant};

use super::backoff::Backoff;

pub(crate) struct Repeats {
    backoff: Backoff,
    end: Option<Instant>,
    /// How often it was run again.
    made: u32,
}

impl Repeats {
    /// At once, and then as `backoff` says; none begins after `end`.
    pub(crate) fn new(backoff: Backoff, end: Option<Instant>) -> Self {
        Self { backoff, end, made: 0 }
    }

    /// The wait before the statement is run again; `None` when it is not to be.
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

    /// How often it was run again.
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
