//! The learned limit: falls when the server refuses, rises again while callers wait.

use std::time::{Duration, Instant};

use super::{Admission, Pooled};
use crate::error::LimitedBy;
use crate::resilience::learned_limit::Moved;

/// The interval at which a pool with a lowered limit checks whether a waiter would use one more connection.
const DEMAND_POLL_INTERVAL: Duration = Duration::from_millis(100);

/// A change of the learned limit.
pub(in crate::pool) struct Learned {
    pub(in crate::pool) moved: Option<Moved>,
    /// The time at which [`Admission::try_one_more`] is to be called, if it is.
    pub(in crate::pool) next_try: Option<Instant>,
}

impl<P: Pooled> Admission<P> {
    /// Lowers the limit to the connections held, since a full server refused an opening.
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

    /// Raises the learned limit by one if callers wait; forgets it if the pool is unused. To be called at the time given for the
    /// next try; returns when to call it again.
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
            // Without a waiter the next try may be due already: check again after a while.
            tried.next_try = state.limit.next_try().map(|next| next.max(now + DEMAND_POLL_INTERVAL));
        });
        tried
    }
}
