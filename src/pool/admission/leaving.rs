//! Waiting for those that leave.

use std::time::Instant;

use super::{Admission, Pooled, State};

impl<P: Pooled> Admission<P> {
    /// Waits until nothing is lent, opening or departing; `false` when something still is at the deadline.
    pub(in crate::pool) fn wait_drained(&self, deadline: Instant) -> bool {
        self.wait_for_none(deadline, |state| state.in_use + state.opening + state.departing)
    }

    /// Waits until nothing is departing; `false` when something still is at the deadline.
    pub(in crate::pool) fn wait_departed(&self, deadline: Instant) -> bool {
        self.wait_for_none(deadline, |state| state.departing)
    }

    fn wait_for_none(&self, deadline: Instant, count: impl Fn(&State<P>) -> u32) -> bool {
        let mut state = self.state.lock();
        while count(&state) > 0 {
            if self.drained.wait_until(&mut state, deadline).timed_out() {
                return count(&state) == 0;
            }
        }
        true
    }
}
