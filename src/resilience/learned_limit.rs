//! The learned limit: the number of connections that the server allows this pool, learned from its refusals.
//!
//! "Too many connections" (53300) is congestion, not an error: a pool that has some connections can serve its callers from
//! those, and asking for more only keeps the server busy with refusing. So on a refusal the limit falls to what the pool
//! holds, never below 1; and while callers wait, one more is tried now and then. That is the additive increase and
//! multiplicative decrease of congestion control (Chiu and Jain 1989), with the decrease known exactly.
//!
//! The first try comes after a quarter of `retry_base_delay`, shortened at random so that a fleet does not try in step; the
//! next after twice as long if it was refused, up to `retry_max_delay`, and after the first wait again if it was not.

use std::time::{Duration, Instant};

use super::backoff::shortened;
use crate::error::LimitedBy;

/// The waits between two tries.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TryIntervals {
    pub(crate) first: Duration,
    pub(crate) longest: Duration,
}

#[derive(Debug)]
pub(crate) struct LearnedLimit {
    /// The configured maximum.
    most: u32,
    limit: u32,
    learned: Option<Learned>,
    pace: TryIntervals,
}

#[derive(Debug)]
struct Learned {
    by: LimitedBy,
    /// The time when the server last refused or allowed a connection.
    heard: Instant,
    /// The wait that the present one is drawn from.
    wait: Duration,
    next_try: Instant,
    /// One more than was held is being tried.
    trying: bool,
}

/// A change of the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) from: u32,
    pub(crate) to: u32,
}

impl LearnedLimit {
    pub(crate) fn new(most: u32, pace: TryIntervals) -> Self {
        Self { most, limit: most, learned: None, pace }
    }

    /// Returns the limit in force.
    pub(crate) fn now(&self) -> u32 {
        self.limit
    }

    /// Returns the configured maximum.
    #[inline]
    pub(crate) fn most(&self) -> u32 {
        self.most
    }

    /// Sets the configured maximum. A limit that was learned stays, as far as it is below that.
    pub(crate) fn set_most(&mut self, most: u32) {
        self.most = most;
        if self.learned.is_none() || self.limit >= most {
            (self.limit, self.learned) = (most, None);
        }
    }

    /// Sets the waits, from the next refusal on.
    pub(crate) fn set_pace(&mut self, pace: TryIntervals) {
        self.pace = pace;
    }

    /// Returns the cause that keeps it below the configured maximum.
    pub(crate) fn limited_by(&self) -> Option<LimitedBy> {
        self.learned.as_ref().map(|learned| learned.by)
    }

    /// Returns when one more may be tried; `None` while nothing was learned.
    pub(crate) fn next_try(&self) -> Option<Instant> {
        self.learned.as_ref().map(|learned| learned.next_try)
    }

    /// Records that the server refused a connection while the pool held `held`. `chance` is uniform in 0..1.
    pub(crate) fn refused(&mut self, by: LimitedBy, held: u32, now: Instant, chance: f64) -> Option<Moved> {
        let wait = match &self.learned {
            None => self.pace.first,
            Some(learned) if learned.trying => (learned.wait * 2).min(self.pace.longest),
            // This attempt began before the limit fell.
            Some(learned) => learned.wait,
        };
        let next_try = now + shortened(wait, chance);
        self.learned = Some(Learned { by, heard: now, wait, next_try, trying: false });
        self.move_to(held.clamp(1, self.most))
    }

    /// Raises the limit by one for a waiting caller, if the next try is due.
    pub(crate) fn raise(&mut self, now: Instant, chance: f64) -> Option<Moved> {
        let learned = self.learned.as_mut().filter(|learned| learned.next_try <= now)?;
        learned.next_try = now + shortened(learned.wait, chance);
        if self.limit == self.most {
            return None;
        }
        learned.trying = true;
        self.move_to(self.limit + 1)
    }

    /// Records that a connection was opened, and now `held` are held.
    pub(crate) fn opened(&mut self, held: u32, now: Instant, chance: f64) -> Option<Moved> {
        let learned = self.learned.as_mut()?;
        learned.heard = now;
        if std::mem::take(&mut learned.trying) {
            learned.wait = self.pace.first;
            learned.next_try = now + shortened(learned.wait, chance);
        }
        let moved = self.move_to(held.clamp(self.limit, self.most));
        if held >= self.most {
            self.learned = None;
        }
        moved
    }

    /// Records that the server allows `count` connections to this pool.
    pub(crate) fn allowed(&mut self, count: u32) -> Option<Moved> {
        if count >= self.most {
            self.learned = None;
        }
        self.move_to(count.clamp(self.limit, self.most))
    }

    /// Forgets the learned limit of an unused pool once the server was last heard from longer ago than the longest wait.
    pub(crate) fn forget_if_old(&mut self, now: Instant) -> Option<Moved> {
        self.learned.take_if(|learned| now.saturating_duration_since(learned.heard) >= self.pace.longest)?;
        self.move_to(self.most)
    }

    fn move_to(&mut self, to: u32) -> Option<Moved> {
        let from = std::mem::replace(&mut self.limit, to);
        (from != to).then_some(Moved { from, to })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: TryIntervals =
        TryIntervals { first: Duration::from_millis(250), longest: Duration::from_secs(5) };

    fn eight() -> (LearnedLimit, Instant) {
        (LearnedLimit::new(8, PACE), Instant::now())
    }

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_refusal_lowers_the_limit_to_what_is_held_and_never_below_one() {
        for (held, limit) in [(3, 3), (1, 1), (0, 1), (7, 7)] {
            let (mut learned, now) = eight();
            assert_eq!(
                learned.refused(LimitedBy::Server, held, now, 0.0),
                Some(Moved { from: 8, to: limit })
            );
            assert_eq!((learned.now(), learned.limited_by()), (limit, Some(LimitedBy::Server)));
        }
    }

    #[test]
    fn refusals_of_what_was_asked_for_at_the_same_time_count_once() {
        let (mut learned, now) = eight();
        for chance in [0.0, 0.3, 0.9] {
            learned.refused(LimitedBy::Server, 2, now, chance);
        }
        learned.refused(LimitedBy::Server, 2, now, 0.0);
        assert_eq!(learned.next_try(), Some(now + ms(250)), "the wait did not grow");
    }

    #[test]
    fn one_more_is_tried_after_waits_that_double_while_it_is_refused() {
        let (mut learned, mut now) = eight();
        learned.refused(LimitedBy::Role, 2, now, 0.0);
        for wait in [250, 500, 1000, 2000, 4000, 5000, 5000] {
            assert_eq!(learned.raise(now + ms(wait - 1), 0.0), None, "not before {wait} ms");
            now += ms(wait);
            assert_eq!(learned.raise(now, 0.0), Some(Moved { from: 2, to: 3 }));
            assert_eq!(learned.refused(LimitedBy::Role, 2, now, 0.0), Some(Moved { from: 3, to: 2 }));
        }
    }

    #[test]
    fn what_is_granted_is_kept_and_the_next_is_tried_soon() {
        let (mut learned, mut now) = eight();
        learned.refused(LimitedBy::Server, 2, now, 0.0);
        for held in 3..=8 {
            now += ms(250);
            assert_eq!(learned.raise(now, 0.0), Some(Moved { from: held - 1, to: held }));
            assert_eq!(learned.opened(held, now, 0.0), None);
        }
        assert_eq!((learned.now(), learned.limited_by(), learned.next_try()), (8, None, None));
    }

    #[test]
    fn room_that_was_seen_raises_it_at_once() {
        let (mut learned, now) = eight();
        learned.refused(LimitedBy::Server, 2, now, 0.0);
        assert_eq!(learned.allowed(1), None);
        assert_eq!(learned.allowed(4), Some(Moved { from: 2, to: 4 }));
        assert_eq!(learned.limited_by(), Some(LimitedBy::Server));
        assert_eq!(learned.allowed(20), Some(Moved { from: 4, to: 8 }));
        assert_eq!((learned.limited_by(), learned.next_try()), (None, None));
    }

    #[test]
    fn another_maximum_keeps_a_lower_limit_that_was_learned_and_forgets_one_that_is_not_lower() {
        let (mut learned, now) = eight();
        learned.set_most(16);
        assert_eq!((learned.now(), learned.limited_by()), (16, None));
        learned.refused(LimitedBy::Server, 4, now, 0.0);
        learned.set_most(6);
        assert_eq!((learned.now(), learned.limited_by()), (4, Some(LimitedBy::Server)));
        learned.set_most(32);
        assert_eq!((learned.now(), learned.limited_by()), (4, Some(LimitedBy::Server)));
        assert_eq!(learned.forget_if_old(now + ms(5000)), Some(Moved { from: 4, to: 32 }));
        learned.refused(LimitedBy::Server, 4, now, 0.0);
        learned.set_most(4);
        assert_eq!((learned.now(), learned.limited_by(), learned.next_try()), (4, None, None));
    }

    #[test]
    fn chance_shortens_a_wait_by_at_most_half() {
        let (mut learned, now) = eight();
        learned.refused(LimitedBy::Server, 2, now, 1.0);
        assert_eq!(learned.next_try(), Some(now + ms(125)));
    }

    #[test]
    fn an_opening_that_was_under_way_when_the_limit_fell_raises_it_again() {
        let (mut learned, now) = eight();
        learned.refused(LimitedBy::Server, 2, now, 0.0);
        assert_eq!(learned.opened(3, now, 0.0), Some(Moved { from: 2, to: 3 }));
        assert_eq!(learned.next_try(), Some(now + ms(250)), "that was no try");
    }

    #[test]
    fn without_demand_it_is_forgotten_after_the_longest_wait() {
        let (mut learned, now) = eight();
        learned.refused(LimitedBy::Database, 1, now, 0.0);
        assert_eq!(learned.forget_if_old(now + ms(4999)), None);
        assert_eq!(learned.limited_by(), Some(LimitedBy::Database));
        assert_eq!(learned.forget_if_old(now + ms(5000)), Some(Moved { from: 1, to: 8 }));
        assert_eq!((learned.limited_by(), learned.next_try()), (None, None));
    }
}
