//! Everything that is shown of a pool, gathered.

use std::time::SystemTime;

use super::Pool;
use crate::exposition::Observation;

impl Pool {
    /// In a forked child everything is zero, as [`stats`](Self::stats) is.
    pub(crate) fn observe(&self) -> Observation {
        let inner = &self.inner;
        let is_ours = !inner.is_inherited();
        Observation {
            taken: SystemTime::now(),
            age: inner.meters.born.elapsed(),
            name: inner.settings.name.clone(),
            target: self.target(),
            min_idle: inner.settings.min_idle,
            stats: self.stats(),
            figures: if is_ours { inner.figures() } else { Default::default() },
            oldest_waiter: is_ours.then(|| inner.admission.oldest_waiter()).flatten().unwrap_or_default(),
            health: self.health(),
            alerts: self.alerts(),
            history: if is_ours { inner.watch.history() } else { Vec::new() },
            exhaustion: is_ours.then(|| self.last_exhaustion()).flatten(),
        }
    }
}
