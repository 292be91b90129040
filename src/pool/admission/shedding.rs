//! Who is told at once that waiting is of no use, so that he can do without, or ask elsewhere, while there is still time.
//!
//! Two reasons: the queue is as long as `max_waiting` allows; or its pace of late shows that the turn of whoever comes now
//! would be long after his deadline. The pace is measured only while somebody waits, and only where the queue hands out
//! connections anyway: getting and giving back without a queue costs nothing for it.
//!
//! Somebody who could have been served must not be sent away, so that wherever the pace is open to doubt, the faster is
//! believed: see [`Pace::gap`]; and a turn must be twice too late. Before a queue has served [`EVIDENCE`] it knows nothing,
//! nor once it has stood still.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{Admission, Pooled, State};

/// So many turns must have been seen since the queue began before its pace means anything.
const EVIDENCE: usize = 8;
/// So many are remembered.
const REMEMBERED: usize = 16;
/// A turn must be so many times too late.
const MARGIN: u32 = 2;

/// Why somebody was not let into the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pool) enum Shed {
    /// As many wait as may.
    QueueFull { waiting: u32 },
    /// At the pace of the queue his turn would come after so long.
    TooLate { turn_in: Duration },
}

/// When the last turns of a queue came.
#[derive(Debug, Default)]
pub(super) struct Pace {
    turns: VecDeque<Instant>,
}

impl Pace {
    /// The queue was empty: what was known was of another time.
    pub(super) fn begin(&mut self) {
        self.turns.clear();
    }

    /// Somebody in the queue was given something.
    pub(super) fn turn(&mut self, now: Instant) {
        if self.turns.len() == REMEMBERED {
            self.turns.pop_front();
        }
        self.turns.push_back(now);
    }

    /// The time from one turn to the next; `None` when it is not known. Connections that come back together make many short
    /// gaps and a long one, and so does a server that stood still: the longest does not count. When it goes faster of late
    /// than before, the later turns count alone.
    fn gap(&self, now: Instant) -> Option<Duration> {
        let (first, last) = (*self.turns.front()?, *self.turns.back()?);
        let stands_still = now.saturating_duration_since(last) > last - first;
        if self.turns.len() < EVIDENCE || stands_still {
            return None;
        }
        let mut gaps = [Duration::ZERO; REMEMBERED - 1];
        let pairs = self.turns.iter().zip(self.turns.iter().skip(1));
        for (gap, (earlier, later)) in gaps.iter_mut().zip(pairs) {
            *gap = *later - *earlier;
        }
        let gaps = &gaps[..self.turns.len() - 1];
        Some(usual(gaps).min(usual(&gaps[gaps.len() / 2..])))
    }
}

/// The mean of all but the longest.
fn usual(gaps: &[Duration]) -> Duration {
    let longest = gaps.iter().max().copied().unwrap_or_default();
    let others = gaps.len().saturating_sub(1).max(1);
    (gaps.iter().sum::<Duration>() - longest) / u32::try_from(others).unwrap_or(u32::MAX)
}

/// When the turn of somebody comes who queues behind those with these deadlines, in order; looks no further than `end`.
/// Whose deadline comes before his turn will have left, and takes nothing.
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
    /// With a limit on how many may wait; 0 is none.
    pub(in crate::pool) fn with_max_waiting(mut self, max_waiting: u32) -> Self {
        self.state.get_mut().max_waiting = max_waiting;
        self
    }
}

impl<P: Pooled> State<P> {
    /// Why somebody who comes to wait until `deadline`, with `ahead` before him, had better not.
    pub(super) fn shed(&self, ahead: usize, now: Instant, deadline: Instant) -> Option<Shed> {
        let waiting = self.waiters.len() as u32;
        if self.max_waiting > 0 && waiting >= self.max_waiting {
            return Some(Shed::QueueFull { waiting });
        }
        // A connection that is being opened will change the pace.
        if ahead < EVIDENCE || self.opening > 0 || self.limit.may_open(self.live(), now) {
            return None;
        }
        let gap = self.pace.gap(now)?;
        let turn_in = gap.saturating_mul(u32::try_from(ahead).unwrap_or(u32::MAX).saturating_add(1));
        let much_too_late = |turn_in: Duration| now + turn_in / MARGIN > deadline;
        if !much_too_late(turn_in) {
            return None;
        }
        let deadlines = self.waiters.iter().take(ahead).map(|w| w.deadline);
        let soonest = turn_after(deadlines, gap / MARGIN, now, deadline);
        (soonest > deadline).then_some(Shed::TooLate { turn_in })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// The pace of a queue with these gaps between its turns, and when the last of them was.
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
        assert_eq!((pace.gap(now), pace.turns.len()), (Some(ms(10)), REMEMBERED));
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
