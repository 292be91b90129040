//! The one thread that tries while a server is out of reach, at a steady pace: see [`crate::resilience::breaker`].

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::coordinator::Governor;
use crate::error::ErrorKind;
use crate::pool::core::Inner;
use crate::pool::lifecycle::capacity::Capacity;
use crate::pool::lifecycle::failpoint::failpoint;
use crate::pool::workers::Workers;
use crate::sys::single_flight::Flight;

impl Governor {
    pub(in crate::pool) fn probe_at(self: &Arc<Self>, at: Instant, workers: &Workers) {
        workers.after_if_alive(self, at.saturating_duration_since(Instant::now()), Self::probes_turn);
    }

    /// On the timer thread: has a worker probe, for a pool that somebody waits for, and sets the next turn.
    fn probes_turn(self: &Arc<Self>) {
        let pools = self.pools();
        let waits = |pool: &&Arc<Inner>| pool.admission.snapshot().0.waiting > 0;
        let waited_for = pools.iter().find(waits);
        let Some((patience, next)) = self.next_probe(waited_for.is_some()) else { return };
        let asked_last = || pools.iter().max_by_key(|pool| pool.wanted_at.load(Ordering::Relaxed));
        let Some(pool) = waited_for.or_else(asked_last) else { return };
        // Before all else, so that there is a next one whatever becomes of this.
        self.probe_at(next, &pool.workers);
        failpoint!(pool, "probe due");
        if let Some(flight) = self.probing.begin()
            && let Some(capacity) = pool.reserve_for_probe()
        {
            let inner = pool.clone();
            pool.workers.run_opening(move || inner.probe(capacity, patience, &flight));
        }
    }
}

impl Inner {
    /// On a worker.
    fn probe(self: &Arc<Self>, capacity: Capacity, patience: Duration, _: &Flight) {
        failpoint!(self, "probing");
        match self.open(capacity, Instant::now() + patience.min(self.settings.connection_timeout)) {
            Ok(conn) => self.give_back(conn),
            Err(error) => {
                if error.kind() == ErrorKind::ConnectTimeout {
                    self.governor.probe_was_too_short(self.settings.connection_timeout);
                }
                self.remember_open_failure(&error);
            }
        }
    }
}
