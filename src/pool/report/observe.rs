//! The snapshot of a pool from which metrics are made.

use std::time::Duration;

use crate::exposition::Observation;
use crate::pool::core::Core;
use crate::pool::handle::Pool;
use crate::pool::telemetry::stats::Stats;
use crate::pool::telemetry::totals::Figures;
use crate::sys::clock::Tick;

impl Pool {
    /// Takes a snapshot. In a forked child everything is zero, as in [`stats`](Self::stats).
    pub(crate) fn observe(&self) -> Observation {
        let core = &self.core;
        let is_ours = !core.is_inherited();
        Observation {
            age: core.metrics.born.elapsed(),
            name: core.settings.name.clone(),
            target: self.target(),
            min_idle: core.settings.min_idle,
            stats: self.stats(),
            figures: if is_ours { core.figures() } else { Default::default() },
            oldest_waiter: is_ours.then(|| core.admission.oldest_waiter()).flatten().unwrap_or_default(),
            alerts: self.alerts(),
        }
    }
}

impl Core {
    /// Returns all metrics as of one moment, or nearly: statements are counted elsewhere.
    pub(in crate::pool) fn stats(&self) -> Stats {
        let (gauges, counters) = self.admission.snapshot();
        let (circuit, since) = self.circuit();
        let statements = self.registry.statements();
        Stats::new(gauges, counters)
            .with_circuit(circuit, since)
            .with_measured(self.metrics.validations(), statements)
    }

    /// Returns the totals since the pool was made.
    pub(in crate::pool) fn figures(&self) -> Figures {
        let (traffic, checkouts) = self.registry.totals();
        self.metrics.figures(traffic, checkouts)
    }

    /// Returns the time since the server was last heard of.
    pub(in crate::pool) fn last_success(&self) -> Option<Duration> {
        let heard = self.metrics.last_heard().max(self.registry.last_heard());
        heard.map(|tick| Tick::exact().since(tick))
    }
}
