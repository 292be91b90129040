//! The probe: during an outage one thread tries the server at a steady pace; see [`crate::resilience::breaker`].

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::error::ErrorKind;
use crate::pool::core::Core;
use crate::pool::guards::Capacity;
use crate::pool::tasks::Task;
use crate::sys::single_flight::Flight;

impl Core {
    /// Has a thread for openings probe, for a pool with waiting callers, and sets the next turn. Runs on the timer thread, once
    /// for all pools of the server.
    pub(in crate::pool) fn take_probe_turn(&self) {
        let pools = self.coordinator.pools();
        let waits = |pool: &&Arc<Core>| pool.admission.snapshot().0.waiting > 0;
        let waited_for = pools.iter().find(waits);
        let Some((patience, next)) = self.coordinator.next_probe(waited_for.is_some()) else { return };
        let asked_last = || pools.iter().max_by_key(|pool| pool.wanted_at.load(Ordering::Relaxed));
        let Some(pool) = waited_for.or_else(asked_last) else { return };
        // Set first, so that the next turn comes however this one ends.
        self.probe_at(next);
        failpoint!(pool, "probe due");
        if let Some(flight) = self.coordinator.probing.begin()
            && let Some(capacity) = pool.reserve_for_probe()
        {
            pool.start(Task::Probe { capacity, patience, flight });
        }
    }

    /// Opens a connection to find out whether the server is back. Runs on a thread for openings.
    pub(in crate::pool) fn probe(self: &Arc<Self>, capacity: Capacity, patience: Duration, _: &Flight) {
        failpoint!(self, "probing");
        match self.open(capacity, Instant::now() + patience.min(self.settings.connection_timeout)) {
            Ok(conn) => self.give_back(conn),
            Err(error) => {
                if error.kind() == ErrorKind::ConnectTimeout {
                    self.coordinator.probe_was_too_short(self.settings.connection_timeout);
                }
                self.last_open_failure.remember(&error);
            }
        }
    }
}
