//! Departing connections, and the wait for them.

use std::time::Instant;

use super::{Account, Admission, Pooled, State};
use crate::pool::telemetry::stats::{CloseReason, Counters};

impl<P: Pooled> State<P> {
    /// Counts a connection as departing.
    pub(super) fn departs(&mut self, parked: &mut P) {
        parked.counts_as(Account::Departing);
        self.departing += 1;
    }
}

impl<P: Pooled> Admission<P> {
    /// Counts a connection in use as departing; it counts until [`departed`](Self::departed).
    pub(in crate::pool) fn retire_in_use(&self, conn: &mut P, count: impl FnOnce(&mut Counters)) {
        let mut state = self.state.lock();
        state.ends_use(conn.account());
        state.departs(conn);
        state.gave_up_connection();
        count(&mut state.counters);
    }

    /// Removes a connection in use that was dropped by an unwinding thread.
    pub(in crate::pool) fn lost_in_use(&self, account: Account) {
        self.free_capacity(|state| {
            state.ends_use(account);
            state.gave_up_connection();
            state.counters.closed(CloseReason::Unclean);
        });
    }

    /// Removes a retired connection that the server has let go of, or that was cut.
    pub(in crate::pool) fn departed(&self) {
        self.free_capacity(|state| state.departing -= 1);
    }

    /// Waits until nothing is checked out, opening or departing. Returns `false` when something still is at the deadline.
    pub(in crate::pool) fn wait_drained(&self, deadline: Instant) -> bool {
        self.wait_for_none(deadline, |state| state.in_use + state.opening + state.departing)
    }

    /// Waits until nothing is departing or to be released. Returns `false` when something still is at the deadline.
    pub(in crate::pool) fn wait_released(&self, deadline: Instant) -> bool {
        self.wait_for_none(deadline, |state| state.departing + state.to_release)
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
