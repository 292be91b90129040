//! Lending an idle connection to the pool itself, for as long as it takes to prove itself.

use super::{Account, Admission, Pooled, State};
use crate::pool::telemetry::stats::CloseReason;

/// How often everything idle was let go of before a connection was taken: it must not come back if that happened since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pool) struct Releases(pub(super) u32);

impl<P: Pooled> State<P> {
    /// Takes an idle one for the pool's own use: in use, but not lent.
    pub(super) fn take_for_pool(&mut self, place: usize) -> P {
        let mut taken = self.idle.remove(place);
        taken.counts_as(Account::InUse);
        self.in_use += 1;
        taken
    }
}

impl<P: Pooled> Admission<P> {
    /// Takes the longest idle of those that `pick` chooses, unless somebody waits: then whatever is idle is about to be
    /// used. It counts as in use, but not as lent.
    pub(in crate::pool) fn take_for_proof(&self, pick: impl FnMut(&P) -> bool) -> Option<(P, Releases)> {
        let mut state = self.state.lock();
        if state.closed || !state.waiters.is_empty() {
            return None;
        }
        let place = state.idle.iter().position(pick)?;
        let taken = state.take_for_pool(place);
        Some((taken, Releases(state.releases)))
    }

    /// It has proved itself: it goes back to its place in the stack, as it was not used, or to whoever waits. Returned, with
    /// the reason, if it has to be closed.
    pub(in crate::pool) fn back_from_proof(
        &self,
        mut parked: P,
        taken: Releases,
    ) -> Option<(P, CloseReason)> {
        let mut state = self.state.lock();
        if state.closed {
            return Some((parked, CloseReason::PoolClosed));
        }
        if taken != Releases(state.releases) {
            return Some((parked, CloseReason::Released));
        }
        state.in_use -= 1;
        if state.waiters.is_empty() {
            let since = parked.idle_since();
            // Before those of the same tick: it was taken from below them.
            let place = state.idle.partition_point(|other| other.idle_since() < since);
            parked.counts_as(Account::Idle);
            state.idle.insert(place, parked);
        } else {
            self.serve_waiters(state, parked);
        }
        None
    }

    /// Takes all that is idle; it counts as departing from here on.
    pub(in crate::pool) fn release_idle(&self) -> Vec<P> {
        let mut state = self.state.lock();
        state.releases = state.releases.wrapping_add(1);
        let mut idle: Vec<P> = state.idle.drain(..).collect();
        for parked in &mut idle {
            state.departs(parked);
            state.counters.closed(CloseReason::Released);
        }
        idle
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::super::{Grant, Request};
    use super::*;
    use crate::resilience::effective_limit::EffectiveLimit;
    use crate::resilience::learned_limit::TryIntervals;
    use crate::sys::clock::Tick;

    /// Two that came back within the same tick.
    struct Twin(u8);

    impl Pooled for Twin {
        fn was_just_used_here(&self) -> bool {
            false
        }

        fn idle_since(&self) -> Tick {
            Tick::from_word(1)
        }

        fn counts_as(&mut self, _: Account) {}
    }

    #[test]
    fn one_that_proved_itself_goes_back_below_those_that_came_back_within_the_same_tick() {
        let second = Duration::from_secs(1);
        let queue =
            Admission::new(2, EffectiveLimit::new(2, TryIntervals { first: second, longest: second }, None));
        for number in 0..2 {
            let now = Instant::now();
            let request =
                Request { since: now, deadline: now, opens_from: None, backs_off: false, is_new: true };
            assert!(matches!(queue.wait(request), Ok(Grant::Capacity)), "number {number}");
            assert!(queue.opened(&mut Twin(number)));
        }
        assert!(queue.park(Twin(0)).is_none() && queue.park(Twin(1)).is_none());
        let Some((taken, releases)) = queue.take_for_proof(|_| true) else { panic!("nobody waits") };
        assert_eq!(taken.0, 0, "the longest idle");
        assert!(queue.back_from_proof(taken, releases).is_none());
        assert_eq!(queue.inspect_idle(|twin| twin.0), [0, 1]);
    }
}
