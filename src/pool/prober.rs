//! The one thread that tries while a server is out of reach, at a steady pace: see [`crate::resilience::breaker`].

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::governor::Governor;
use super::inner::Inner;
use super::workers::Workers;
use crate::error::ErrorKind;

/// Ends a probe on every way out, panics included, so that there is always a next one.
struct Probing(Arc<Governor>);

impl Drop for Probing {
    fn drop(&mut self) {
        self.0.probing.store(false, Ordering::Release);
    }
}

impl Governor {
    pub(super) fn probe_at(self: &Arc<Self>, at: Instant, workers: &Workers) {
        let governor = Arc::downgrade(self);
        workers.after(at.saturating_duration_since(Instant::now()), move || {
            if let Some(governor) = governor.upgrade() {
                governor.probes_turn();
            }
        });
    }

    /// On the timer thread: has a worker probe, for a pool that somebody waits for, and sets the next turn.
    fn probes_turn(self: &Arc<Self>) {
        let pools = self.pools();
        let waits = |pool: &&Arc<Inner>| pool.admission.snapshot().0.waiting > 0;
        let waited_for = pools.iter().find(waits);
        let Some((patience, next)) = self.next_probe(waited_for.is_some()) else { return };
        let asked_last = || pools.iter().max_by_key(|pool| pool.wanted_at.load(Ordering::Relaxed));
        let Some(pool) = waited_for.or_else(asked_last) else { return };
        if !self.probing.swap(true, Ordering::AcqRel) {
            let probing = Probing(self.clone());
            if pool.admission.reserve_for_probe() {
                let pool = pool.clone();
                pool.workers.clone().run(move || pool.probe(patience, probing));
            }
        }
        self.probe_at(next, &pool.workers);
    }
}

impl Inner {
    /// On a worker, with capacity reserved.
    fn probe(self: Arc<Self>, patience: Duration, probing: Probing) {
        match self.open(Instant::now() + patience.min(self.settings.connection_timeout)) {
            Ok(conn) => self.give_back(conn),
            Err(error) => {
                if error.kind() == ErrorKind::ConnectTimeout {
                    probing.0.probe_was_too_short(self.settings.connection_timeout);
                }
                self.remember_open_failure(&error);
            }
        }
    }
}
