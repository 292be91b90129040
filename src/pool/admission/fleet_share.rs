//! The fleet's share in the queue: which connections are kept, given up, or used for a census.

use std::time::{Duration, Instant};

use super::{Admission, Pooled, State};
use crate::pool::telemetry::stats::CloseReason;
use crate::resilience::fleet::census::Census;

/// The decision on a connection that comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pool) enum Returned {
    Keep,
    /// A census is to be taken over it first.
    Census,
    /// The connection exceeds the pool's share.
    GiveUp,
}

/// The work to be done with an idle connection.
pub(in crate::pool) enum IdleAction<P> {
    /// A census is to be taken over it; it counts as in use, and goes back as from a validation.
    Census(P),
    /// The connection exceeds the pool's share; it departs.
    GiveUp(P),
}

/// The times at which the share is to be evaluated again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::pool) struct NextRebalance {
    /// The time from which the next return evaluates it; `None`: no return does.
    pub(in crate::pool) at_return: Option<Instant>,
    /// The time at which it is evaluated in any case.
    pub(in crate::pool) at_time: Option<Instant>,
}

impl<P: Pooled> State<P> {
    /// Notes that a held connection is being closed.
    pub(super) fn gave_up_connection(&mut self) {
        let held = self.held();
        if let Some(share) = self.limit.share_mut() {
            share.gave_back(held, Instant::now(), fastrand::f64());
        }
    }

    /// Returns whether a connection exceeds the share. One at a time: while one departs, the others stay.
    fn has_one_too_many(&self, now: Instant) -> bool {
        self.departing == 0 && self.limit.must_give_back(self.held(), now)
    }
}

impl<P: Pooled> Admission<P> {
    /// Decides on a connection that came back. On [`Returned::Census`] the caller must take one.
    pub(in crate::pool) fn returned(&self) -> Returned {
        let mut state = self.state.lock();
        let now = Instant::now();
        // Parking it closes it, for the reason there.
        if state.keeps_none().is_some() {
            return Returned::Keep;
        }
        if let Some(share) = state.limit.share_mut().filter(|share| share.is_census_due(now))
            && share.may_use_returned(now)
        {
            share.begin_census(now);
            state.gate.census_begins(now);
            return Returned::Census;
        }
        if state.has_one_too_many(now) { Returned::GiveUp } else { Returned::Keep }
    }

    pub(in crate::pool) fn next_rebalance(&self) -> NextRebalance {
        let state = self.state.lock();
        let now = Instant::now();
        let Some(share) = state.limit.share() else { return NextRebalance::default() };
        if state.closed {
            return NextRebalance::default();
        }
        let held = state.held();
        let is_used = held > 0 || !state.waiters.is_empty();
        let event = share.next_event(held, now).filter(|_| is_used || share.is_outside(now));
        let surplus = state.limit.must_give_back(held, now).then_some(now);
        let at_return = [Some(share.next_census(now)), event, surplus].into_iter().flatten().min();
        NextRebalance { at_return, at_time: event }
    }

    /// Applies a census; `None` when it failed.
    pub(in crate::pool) fn census_ended(&self, look: Option<&Census>) {
        let (now, chance) = (Instant::now(), fastrand::f64());
        let mut state = self.state.lock();
        state.gate.census_ends();
        let held = state.held();
        match look {
            Some(look) => state.limit.census_taken(look, held, now, chance),
            None => {
                if let Some(share) = state.limit.share_mut() {
                    share.census_failed(now);
                }
            }
        }
        drop(state);
        self.free_capacity(|_| {});
    }

    /// Evaluates the share by time: waiters that may open now open. Takes an idle connection if a census is to be taken over it,
    /// or if it exceeds the share.
    pub(in crate::pool) fn rebalance_share(&self) -> Option<IdleAction<P>> {
        self.free_capacity(|_| {});
        let mut state = self.state.lock();
        let now = Instant::now();
        if state.closed || state.idle.is_empty() {
            return None;
        }
        if let Some(share) = state.limit.share_mut().filter(|share| share.may_use_idle(now)) {
            share.begin_census(now);
            state.gate.census_begins(now);
            return Some(IdleAction::Census(state.take_for_pool(0)));
        }
        if !state.has_one_too_many(now) {
            return None;
        }
        let mut given = state.idle.remove(0);
        state.departs(&mut given);
        state.gave_up_connection();
        state.counters.closed(CloseReason::Shared);
        Some(IdleAction::GiveUp(given))
    }

    /// Returns whether the pool is a member of a fleet.
    pub(in crate::pool) fn shares(&self) -> bool {
        self.state.lock().limit.share().is_some()
    }

    /// Returns whether slots are so scarce that idle connections are closed sooner.
    pub(in crate::pool) fn is_scarce(&self) -> bool {
        self.state.lock().limit.share().is_some_and(|share| share.is_scarce(Instant::now()))
    }
}

/// The delay that is added to each timer, so that it does not fire early.
pub(in crate::pool) const MIN_TIMER_DELAY: Duration = Duration::from_millis(1);
