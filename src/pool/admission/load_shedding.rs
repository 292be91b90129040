//! Load shedding: rejects a caller at once when its turn would come long after its deadline, so that it can fall back in time.
//!
//! There are two reasons: the queue is as long as `max_waiting` allows; or its recent pace shows that the turn of a new caller
//! would come long after its deadline. The pace is measured only while callers wait, and only where the queue hands out
//! connections anyway: checkouts and returns without a queue pay nothing for it.
//!
//! A caller that could have been served must not be rejected. So the faster estimate of the pace counts, see [`Pace::gap`],
//! and a turn must be twice too late. Before a queue has served [`MIN_TURNS_FOR_ESTIMATE`], and once it has stood still, it has
//! no pace.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{Admission, Pooled, State};

/// The number of turns since the queue began from which its pace is known.
const MIN_TURNS_FOR_ESTIMATE: usize = 8;
/// The number of turns that are remembered.
const MAX_REMEMBERED_TURNS: usize = 16;
/// The factor by which a turn must be too late.
const LATENESS_FACTOR: u32 = 2;

/// The reason why a caller was not let into the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shed {
    /// As many callers wait as `max_waiting` allows.
    QueueFull { waiting: u32 },
    /// At the pace of the queue the caller's turn would come after `turn_in`.
    TooLate { turn_in: Duration },
}

/// The times of the last turns of a queue.
#[derive(Debug, Default)]
pub(super) struct Pace {
    turns: VecDeque<Instant>,
}

impl Pace {
    /// Forgets all turns: the queue was empty, so they are of another time.
    pub(super) fn begin(&mut self) {
        self.turns.clear();
    }

    /// Records that a waiter was served.
    pub(super) fn turn(&mut self, now: Instant) {
        if self.turns.len() == MAX_REMEMBERED_TURNS {
            self.turns.pop_front();
        }
        self.turns.push_back(now);
    }

    /// Returns the time from one turn to the next; `None` when it is not known. Connections that come back together make many
    /// short gaps and a long one, and so does a server that stood still: the longest does not count. When the later half of
    /// the turns was faster, it counts alone.
    fn gap(&self, now: Instant) -> Option<Duration> {
        let (first, last) = (*self.turns.front()?, *self.turns.back()?);
        let stands_still = now.saturating_duration_since(last) > last - first;
        if self.turns.len() < MIN_TURNS_FOR_ESTIMATE || stands_still {
            return None;
        }
        let mut gaps = [Duration::ZERO; MAX_REMEMBERED_TURNS - 1];
        let pairs = self.turns.iter().zip(self.turns.iter().skip(1));
        for (gap, (earlier, later)) in gaps.iter_mut().zip(pairs) {
            *gap = *later - *earlier;
        }
        let gaps = &gaps[..self.turns.len() - 1];
        Some(usual(gaps).min(usual(&gaps[gaps.len() / 2..])))
    }
}

/// Returns the mean of all but the longest.
fn usual(gaps: &[Duration]) -> Duration {
    let longest = gaps.iter().max().copied().unwrap_or_default();
    let others = gaps.len().saturating_sub(1).max(1);
    (gaps.iter().sum::<Duration>() - longest) / u32::try_from(others).unwrap_or(u32::MAX)
}

/// Returns the turn of a caller that queues behind waiters with these deadlines, in order; computes no further than `end`.
/// Waiters whose deadline passes before their turn leave the queue and do not count.
fn turn_after(ahead: impl Iterator<Item = Instant>, gap: Duration, now: Instant, end: Instant) -> Instant {
    let mut turn = now + gap;
    for deadline in ahead {
        if turn > end {
            break;
        }
        if deadline >= turn {
            turn += gap;
        }
    }
    turn
}

impl<P: Pooled> Admission<P> {
    /// Sets the largest number of waiters; 0 for no limit.
    pub(in crate::pool) fn with_max_waiting(mut self, max_waiting: u32) -> Self {
        self.state.get_mut().max_waiting = max_waiting;
        self
    }
}

impl<P: Pooled> State<P> {
    /// Returns the rejection of another waiter, if as many wait as `max_waiting` allows.
    pub(super) fn is_full_of_waiters(&self) -> Option<Shed> {
        let waiting = self.waiting();
        (self.max_waiting > 0 && waiting >= self.max_waiting).then_some(Shed::QueueFull { waiting })
    }

    /// Returns why a caller with this `deadline` and `ahead` waiters before it is to be rejected, if it is.
    pub(super) fn shed(&self, ahead: usize, now: Instant, deadline: Instant) -> Option<Shed> {
        if let full @ Some(_) = self.is_full_of_waiters() {
            return full;
        }
        // A connection that is being opened will change the pace.
        if ahead < MIN_TURNS_FOR_ESTIMATE || self.opening > 0 || self.limit.may_open(self.live(), now) {
            return None;
        }
        let gap = self.pace.gap(now)?;
        let turn_in = gap.saturating_mul(u32::try_from(ahead).unwrap_or(u32::MAX).saturating_add(1));
        let much_too_late = |turn_in: Duration| now + turn_in / LATENESS_FACTOR > deadline;
        if !much_too_late(turn_in) {
            return None;
        }
        let deadlines = self.waiters.iter().take(ahead).map(|w| w.deadline);
        let soonest = turn_after(deadlines, gap / LATENESS_FACTOR, now, deadline);
        (soonest > deadline).then_some(Shed::TooLate { turn_in })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Returns the pace of a queue with these gaps between its turns, and the time of the last.
    fn paced(gaps: impl IntoIterator<Item = u64>) -> (Pace, Instant) {
        let mut pace = Pace::default();
        let mut now = Instant::now();
        pace.turn(now);
        for gap in gaps {
            now += ms(gap);
            pace.turn(now);
        }
        (pace, now)
    }

    #[test]
    fn a_steady_pace_is_known_after_eight_turns() {
        let (pace, now) = paced([10; 6]);
        assert_eq!(pace.gap(now), None, "seven turns");
        let (pace, now) = paced([10; 7]);
        assert_eq!(pace.gap(now), Some(ms(10)));
        let (pace, now) = paced([10; 100]);
        assert_eq!((pace.gap(now), pace.turns.len()), (Some(ms(10)), MAX_REMEMBERED_TURNS));
    }

    #[test]
    fn a_pause_says_nothing_about_the_pace() {
        let (pace, now) = paced([10, 10, 10, 3000, 10, 10, 10, 10]);
        assert_eq!(pace.gap(now), Some(ms(10)));
    }

    #[test]
    fn a_queue_that_stands_still_is_not_known() {
        let (pace, now) = paced([10; 10]);
        assert_eq!(pace.gap(now + ms(100)), Some(ms(10)));
        assert_eq!(pace.gap(now + ms(101)), None);
    }

    #[test]
    fn a_queue_that_has_become_faster_is_believed_at_once() {
        let (pace, now) = paced([500, 500, 500, 500, 500, 500, 500, 1, 1, 1, 1, 1, 1, 1, 1]);
        assert_eq!(pace.gap(now), Some(ms(1)));
    }

    #[test]
    fn connections_that_come_back_together_are_not_taken_for_a_slow_queue() {
        // Four at a time, every 100 ms: 25 ms a turn in truth.
        let (pace, now) = paced([0, 0, 0, 100, 0, 0, 0, 100, 0, 0, 0, 100, 0, 0, 0]);
        assert!(pace.gap(now).expect("enough turns") <= ms(25), "{:?}", pace.gap(now));
    }

    #[test]
    fn a_new_queue_knows_nothing_of_the_last() {
        let (mut pace, now) = paced([10; 10]);
        pace.begin();
        assert_eq!(pace.gap(now), None);
    }

    #[test]
    fn those_who_will_have_given_up_take_no_turn() {
        let now = Instant::now();
        let turn = |deadlines: &[u64]| {
            let ahead = deadlines.iter().map(|at| now + ms(*at));
            turn_after(ahead, ms(10), now, now + ms(10_000)) - now
        };
        assert_eq!(turn(&[]), ms(10));
        assert_eq!(turn(&[1000; 20]), ms(210));
        assert_eq!(turn(&[35; 20]), ms(40), "three are served before 35 ms are over");
        assert_eq!(turn(&[5; 20]), ms(10));
    }
}
