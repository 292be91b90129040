//! A limit that moves: down when the server refuses, up again while somebody waits.

use std::time::{Duration, Instant};

use super::{Admission, Pooled};
use crate::error::LimitedBy;
use crate::resilience::learned_limit::Moved;

/// How often a pool whose limit was lowered looks whether somebody waits whom one more connection would serve.
const LOOK_FOR_DEMAND: Duration = Duration::from_millis(100);

/// What the limit does.
pub(in crate::pool) struct Learned {
    pub(in crate::pool) moved: Option<Moved>,
    /// When [`Admission::try_one_more`] is to be called, if that is of use.
    pub(in crate::pool) next_try: Option<Instant>,
}

impl<P: Pooled> Admission<P> {
    /// The server refused an opening because it is full: the limit falls to what is held.
    pub(in crate::pool) fn opening_refused(&self, by: LimitedBy) -> Learned {
        let mut refused = Learned { moved: None, next_try: None };
        self.free_capacity(|state| {
            state.opening -= 1;
            let held = state.held();
            refused.moved = state.limit.refused(by, held, Instant::now(), fastrand::f64());
            refused.next_try = state.limit.next_try();
        });
        refused
    }

    /// If somebody waits, raises a limit that was learned by one; if nobody uses the pool, forgets it. To be called at the
    /// time that was given for the next try; returns when to call it again.
    pub(in crate::pool) fn try_one_more(&self) -> Learned {
        let mut tried = Learned { moved: None, next_try: None };
        self.free_capacity(|state| {
            let now = Instant::now();
            if state.closed {
                return;
            }
            if state.idle.is_empty() && state.first_that_may_open().is_some() {
                tried.moved = state.limit.raise(now, fastrand::f64());
            } else if state.in_use + state.opening == 0 && state.waiters.is_empty() {
                tried.moved = state.limit.forget_if_old(now);
            }
            // If nobody waited, it may be time already: look again after a while.
            tried.next_try = state.limit.next_try().map(|next| next.max(now + LOOK_FOR_DEMAND));
        });
        tried
    }
}
