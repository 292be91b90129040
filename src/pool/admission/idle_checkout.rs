//! Idle connections taken for the pool's own use, such as a validation, and put back.

use super::{Account, Admission, Pooled, State};
use crate::pool::telemetry::stats::CloseReason;

/// The number of releases of idle connections before one was taken. It must not come back if there was another since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pool) struct Releases(pub(super) u32);

impl<P: Pooled> State<P> {
    /// Takes an idle connection for the pool's own use: in use, but not checked out.
    pub(super) fn take_for_pool(&mut self, place: usize) -> P {
        let mut taken = self.idle.remove(place);
        taken.counts_as(Account::InUse);
        self.in_use += 1;
        taken
    }
}

impl<P: Pooled> Admission<P> {
    /// Takes the longest idle connection that `pick` chooses, unless callers wait: then idle connections are about to be used.
    /// It counts as in use, but not as a checkout.
    pub(in crate::pool) fn take_for_validation(&self, pick: impl FnMut(&P) -> bool) -> Option<(P, Releases)> {
        let mut state = self.state.lock();
        if state.closed || !state.waiters.is_empty() {
            return None;
        }
        let place = state.idle.iter().position(pick)?;
        let taken = state.take_for_pool(place);
        Some((taken, Releases(state.releases)))
    }

    /// Puts a validated connection back to its place in the stack, as it was not used, or hands it to a waiter. Returns it, with
    /// the reason, if it has to be closed.
    pub(in crate::pool) fn back_from_validation(
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
            // Below those of the same tick: it was taken from below them.
            let place = state.idle.partition_point(|other| other.idle_since() < since);
            parked.counts_as(Account::Idle);
            state.idle.insert(place, parked);
        } else {
            self.serve_waiters(state, parked);
        }
        None
    }

    /// Takes all idle connections; they count as departing from here on.
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
    fn a_validated_one_goes_back_below_those_that_came_back_within_the_same_tick() {
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
        let Some((taken, releases)) = queue.take_for_validation(|_| true) else { panic!("nobody waits") };
        assert_eq!(taken.0, 0, "the longest idle");
        assert!(queue.back_from_validation(taken, releases).is_none());
        assert_eq!(queue.inspect_idle(|twin| twin.0), [0, 1]);
    }
}
