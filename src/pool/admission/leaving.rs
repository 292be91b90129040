//! Waiting for those that leave.

use std::time::Instant;

use super::{Admission, Pooled};

impl<P: Pooled> Admission<P> {
    /// Waits until nothing is departing; `false` when something still is at the deadline.
    pub(in crate::pool) fn wait_departed(&self, deadline: Instant) -> bool {
        let mut state = self.state.lock();
        while state.departing > 0 {
            if self.drained.wait_until(&mut state, deadline).timed_out() {
                return state.departing == 0;
            }
        }
        true
    }
}
