//! The figures of a pool, and what metrics are made of, gathered.

use crate::exposition::Observation;
use crate::pool::Pool;
use crate::pool::core::Inner;
use crate::pool::telemetry::stats::Stats;

impl Pool {
    /// In a forked child everything is zero, as [`stats`](Self::stats) is.
    pub(crate) fn observe(&self) -> Observation {
        let inner = &self.inner;
        let is_ours = !inner.is_inherited();
        Observation {
            age: inner.meters.born.elapsed(),
            name: inner.settings.name.clone(),
            target: self.target(),
            min_idle: inner.settings.min_idle,
            stats: self.stats(),
            figures: if is_ours { inner.figures() } else { Default::default() },
            oldest_waiter: is_ours.then(|| inner.admission.oldest_waiter()).flatten().unwrap_or_default(),
            alerts: self.alerts(),
        }
    }
}

impl Inner {
    /// All figures as of one moment, or nearly: statements are counted elsewhere.
    pub(in crate::pool) fn stats(&self) -> Stats {
        let (gauges, counters) = self.admission.snapshot();
        let (circuit, since) = self.circuit();
        let statements = self.registry.statements();
        Stats::new(gauges, counters)
            .with_circuit(circuit, since)
            .with_measured(self.meters.proofs(), statements)
    }
}
