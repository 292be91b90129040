//! Those that leave, and waiting for them.

use std::time::Instant;

use super::{Account, Admission, Pooled, State};
use crate::pool::telemetry::stats::{CloseReason, Counters};

impl<P: Pooled> State<P> {
    /// What was idle departs.
    pub(super) fn departs(&mut self, parked: &mut P) {
        parked.counts_as(Account::Departing);
        self.departing += 1;
    }
}

impl<P: Pooled> Admission<P> {
    /// A lent connection will be closed; it counts until [`departed`](Self::departed).
    pub(in crate::pool) fn retire_lent(&self, conn: &mut P, count: impl FnOnce(&mut Counters)) {
        let mut state = self.state.lock();
        state.in_use -= 1;
        state.departs(conn);
        state.let_go();
        count(&mut state.counters);
    }

    /// A connection in use was dropped by whoever had it: something unwound.
    pub(in crate::pool) fn lost_lent(&self) {
        self.free_capacity(|state| {
            state.in_use -= 1;
            state.let_go();
            state.counters.closed(CloseReason::Unclean);
        });
    }

    /// A retired connection is gone from the server, or was cut.
    pub(in crate::pool) fn departed(&self) {
        self.free_capacity(|state| state.departing -= 1);
    }

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
