//! The pool's share among other pools of the same server, as far as the queue is concerned.

use std::time::{Duration, Instant};

use super::{Admission, Pooled, Releases, State};
use crate::pool::telemetry::stats::CloseReason;
use crate::resilience::fleet::census::Census;

/// What is to become of a connection that comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pool) enum Returned {
    Keep,
    /// The pool is to look at the server over it first.
    Look,
    /// It is one too many.
    Give,
}

/// What is to be done with something idle.
pub(in crate::pool) enum OfIdle<P> {
    /// To be looked over; it counts as in use, and goes back as from a proof.
    Look(P, Releases),
    /// One too many; it departs.
    Give(P),
}

/// When the share has to be thought of again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::pool) struct NextThought {
    /// At the first return from then on; `None`: not because of a return.
    pub(in crate::pool) at_return: Option<Instant>,
    /// At this time, whether anything comes back or not.
    pub(in crate::pool) at_time: Option<Instant>,
}

impl<P: Pooled> State<P> {
    /// Something that was held is held no longer, since it is being closed.
    pub(super) fn let_go(&mut self) {
        let held = self.held();
        if let Some(share) = self.limit.share_mut() {
            share.gave_back(held, Instant::now(), fastrand::f64());
        }
    }

    /// One at a time: while one departs, the others stay.
    fn has_one_too_many(&self, now: Instant) -> bool {
        self.departing == 0 && self.limit.must_give_back(self.held(), now)
    }
}

impl<P: Pooled> Admission<P> {
    /// A lent connection came back: what is to become of it. Whoever is told to look looks.
    pub(in crate::pool) fn returned(&self) -> Returned {
        let mut state = self.state.lock();
        let now = Instant::now();
        if state.closed {
            return Returned::Keep;
        }
        if let Some(share) = state.limit.share_mut().filter(|share| share.is_census_due(now))
            && share.may_use_returned(now)
        {
            share.begin_census(now);
            state.gate.look_begins(now);
            return Returned::Look;
        }
        if state.has_one_too_many(now) { Returned::Give } else { Returned::Keep }
    }

    pub(in crate::pool) fn next_thought(&self) -> NextThought {
        let state = self.state.lock();
        let now = Instant::now();
        let Some(share) = state.limit.share() else { return NextThought::default() };
        if state.closed {
            return NextThought::default();
        }
        let held = state.held();
        let is_used = held > 0 || !state.waiters.is_empty();
        let event = share.next_event(held, now).filter(|_| is_used || share.is_outside(now));
        let surplus = state.limit.must_give_back(held, now).then_some(now);
        let at_return = [Some(share.next_census(now)), event, surplus].into_iter().flatten().min();
        NextThought { at_return, at_time: event }
    }

    /// A look at the server ended; `None` when it showed nothing of use.
    pub(in crate::pool) fn looked(&self, look: Option<&Census>) {
        let (now, chance) = (Instant::now(), fastrand::f64());
        let mut state = self.state.lock();
        state.gate.look_ends();
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

    /// Time has passed: whoever waits and may open now opens. Takes what is idle if it is to be looked over, or is one
    /// too many.
    pub(in crate::pool) fn think_of_share(&self) -> Option<OfIdle<P>> {
        self.free_capacity(|_| {});
        let mut state = self.state.lock();
        let now = Instant::now();
        if state.closed || state.idle.is_empty() {
            return None;
        }
        if let Some(share) = state.limit.share_mut().filter(|share| share.may_use_idle(now)) {
            share.begin_census(now);
            state.gate.look_begins(now);
            let taken = Releases(state.releases);
            return Some(OfIdle::Look(state.take_for_pool(0), taken));
        }
        if !state.has_one_too_many(now) {
            return None;
        }
        let mut given = state.idle.remove(0);
        state.departs(&mut given);
        state.let_go();
        state.counters.closed(CloseReason::Shared);
        Some(OfIdle::Give(given))
    }

    /// Whether the pool shares with others.
    pub(in crate::pool) fn shares(&self) -> bool {
        self.state.lock().limit.share().is_some()
    }

    /// Whether slots are so few that what is idle is let go sooner.
    pub(in crate::pool) fn is_scarce(&self) -> bool {
        self.state.lock().limit.share().is_some_and(|share| share.is_scarce(Instant::now()))
    }
}

/// How long a timer may be late without anybody minding.
pub(in crate::pool) const SHORTEST_TIMER: Duration = Duration::from_millis(1);
