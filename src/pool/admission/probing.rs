//! Lending an idle connection to the pool itself, for as long as it takes to prove itself.

use super::{Admission, Pooled};
use crate::pool::stats::CloseReason;

/// How often everything idle was let go of before a connection was taken: it must not come back if that happened since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pool) struct Releases(pub(super) u32);

impl<P: Pooled> Admission<P> {
    /// Takes the longest idle of those that `pick` chooses, unless somebody waits: then whatever is idle is about to be
    /// used. It counts as in use, but not as lent.
    pub(in crate::pool) fn take_for_proof(&self, pick: impl FnMut(&P) -> bool) -> Option<(P, Releases)> {
        let mut state = self.state.lock();
        if state.closed || !state.waiters.is_empty() {
            return None;
        }
        let place = state.idle.iter().position(pick)?;
        state.in_use += 1;
        Some((state.idle.remove(place), Releases(state.releases)))
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
        parked.settle_counters(&mut state.counters);
        if state.waiters.is_empty() {
            let since = parked.idle_since();
            // Before those of the same tick: it was taken from below them.
            let place = state.idle.partition_point(|other| other.idle_since() < since);
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
        let idle: Vec<P> = state.idle.drain(..).collect();
        state.departing += idle.len() as u32;
        for _ in &idle {
            state.counters.closed(CloseReason::Released);
        }
        idle
    }
}
