//! The retry policy of transactions.
//!
//! A transaction runs again if it provably had no effect and failed for a transient reason: the server reports a conflict
//! (SQLSTATE 40001, 40P01), or the connection was lost before COMMIT was sent. No other failure qualifies: it would recur, and
//! a commit whose answer was lost may have happened.

use std::time::{Duration, Instant};

use super::backoff::Backoff;

/// The default number of reruns of a transaction.
pub(crate) const RERUNS: u32 = 5;

/// The bound of the wait before the first rerun. The other side of a conflict is a transaction that is about to end.
const FIRST_WAIT: Duration = Duration::from_millis(10);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// The end of one run.
pub(crate) enum Ending<T, E> {
    /// The final result.
    Over(Result<T, E>),
    /// It had no effect, for a transient reason.
    Again(E),
}

impl<T, E> Ending<T, E> {
    pub(crate) fn failed(error: impl Into<E>) -> Self {
        Self::Over(Err(error.into()))
    }

    pub(crate) fn map<U, F>(self, value: impl FnOnce(T) -> U, error: impl FnOnce(E) -> F) -> Ending<U, F> {
        match self {
            Self::Over(Ok(done)) => Ending::Over(Ok(value(done))),
            Self::Over(Err(e)) => Ending::Over(Err(error(e))),
            Self::Again(e) => Ending::Again(error(e)),
        }
    }
}

/// The limits on the reruns of one transaction.
pub(crate) struct Reruns {
    backoff: Backoff,
    end: Option<Instant>,
}

impl Reruns {
    /// Waits are random, from nothing to 10 ms, then 20 ms, 40 ms and so on to 1 s: transactions that conflicted must not
    /// conflict again. No run begins after `end`.
    pub(crate) fn new(most: u32, end: Option<Instant>) -> Self {
        let backoff = Backoff { retries: most, base: FIRST_WAIT, max: LONGEST_WAIT, jitter: 1.0 };
        Self { backoff, end }
    }

    /// Runs `once` until it is over or no further run is allowed. `once` gets the number of earlier runs; `pause` waits and
    /// reports that another run follows.
    pub(crate) fn run<T, E>(
        &self,
        mut once: impl FnMut(u32) -> Ending<T, E>,
        mut pause: impl FnMut(u32, Duration),
    ) -> Result<T, E> {
        let mut before = 0;
        loop {
            let error = match once(before) {
                Ending::Over(result) => return result,
                Ending::Again(error) => error,
            };
            let Some(wait) = self.backoff.wait(before).filter(|wait| self.has_time_for(*wait)) else {
                return Err(error);
            };
            before += 1;
            pause(before, wait);
        }
    }

    fn has_time_for(&self, wait: Duration) -> bool {
        self.end.is_none_or(|end| Instant::now() + wait < end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs what ends as `endings` say; returns the result and the waits.
    fn play(reruns: &Reruns, endings: Vec<Ending<&str, &str>>) -> (Result<String, String>, Vec<Duration>) {
        let mut endings = endings.into_iter().enumerate();
        let mut waits = Vec::new();
        let once = |before: u32| {
            let (index, ending) = endings.next().expect("no run too many");
            assert_eq!(before as usize, index);
            ending
        };
        let result = reruns.run(once, |before, wait| {
            waits.push(wait);
            assert_eq!(before as usize, waits.len());
        });
        (result.map(str::to_owned).map_err(str::to_owned), waits)
    }

    #[test]
    fn what_passes_is_run_again_until_it_succeeds() {
        use Ending::{Again, Over};
        let (result, waits) = play(&Reruns::new(5, None), vec![Again("one"), Again("two"), Over(Ok("done"))]);
        assert_eq!(result, Ok("done".to_owned()));
        assert_eq!(waits.len(), 2);
        assert!(waits[0] <= FIRST_WAIT && waits[1] <= 2 * FIRST_WAIT, "{waits:?}");
    }

    #[test]
    fn what_does_not_pass_is_not_run_again() {
        use Ending::{Again, Over};
        let (result, waits) = play(&Reruns::new(5, None), vec![Again("one"), Over(Err("for good"))]);
        assert_eq!((result, waits.len()), (Err("for good".to_owned()), 1));
    }

    #[test]
    fn the_last_failure_is_reported_when_no_rerun_is_left() {
        use Ending::Again;
        let (result, waits) = play(&Reruns::new(2, None), vec![Again("one"), Again("two"), Again("three")]);
        assert_eq!((result, waits.len()), (Err("three".to_owned()), 2));
        let (result, _) = play(&Reruns::new(0, None), vec![Again("only")]);
        assert_eq!(result, Err("only".to_owned()));
    }

    #[test]
    fn no_run_begins_after_the_end() {
        use Ending::Again;
        let over = Reruns::new(5, Some(Instant::now()));
        let (result, waits) = play(&over, vec![Again("late")]);
        assert_eq!((result, waits.len()), (Err("late".to_owned()), 0));
    }

    #[test]
    fn waits_are_spread_over_their_whole_length() {
        let reruns = Reruns::new(1, None);
        let waits: Vec<_> = (0..200).map(|_| reruns.backoff.wait(0).expect("one rerun")).collect();
        assert!(waits.iter().all(|w| *w <= FIRST_WAIT));
        assert!(waits.iter().any(|w| *w < FIRST_WAIT / 4) && waits.iter().any(|w| *w > FIRST_WAIT / 4 * 3));
    }
}
