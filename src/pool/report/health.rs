//! The pool's health, alerts and history.

use crate::error::human;
use crate::observe::alerts::Alert;
use crate::observe::health::{Facts, Health, LastError};
use crate::observe::history::Sample;
use crate::pool::core::Core;
use crate::pool::handle::Pool;
use crate::pool::telemetry::stats::Circuit;

impl Pool {
    /// Returns whether the pool can do its work, and if not, why. Computed from known state, without a query or a wait, so
    /// that it may be called at any rate, by liveness and readiness checks too
    /// ([`Health::is_live`], [`Health::is_ready`]). In a forked child the pool counts as closed.
    ///
    /// ```
    /// let pool = holdfast::Pool::echo(holdfast::PoolConfig::new())?;
    /// pool.batch_execute("select 1")?;
    /// let health = pool.health();
    /// assert!(health.is_live() && health.is_ready(), "{health}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn health(&self) -> Health {
        if self.core.is_inherited() {
            return Health::new(Facts { closed: true, ..Facts::default() });
        }
        self.core.health()
    }

    /// Returns the alerts that are raised at present. They are evaluated once a second, while the pool is active; each has a
    /// cause in words and a remedy. Raising and clearing an alert emits an event and a log record, too.
    ///
    /// ```
    /// # let pool = holdfast::Pool::echo(holdfast::PoolConfig::new())?;
    /// for alert in pool.alerts() {
    ///     eprintln!("{:?}: {}", alert.kind, alert.remedy());
    /// }
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn alerts(&self) -> Vec<Alert> {
        if self.core.is_inherited() { Vec::new() } else { self.core.sampler.alerts() }
    }

    /// Returns the last ten minutes, a sample for each second in which the pool was active, the oldest first.
    ///
    /// ```
    /// # let pool = holdfast::Pool::echo(holdfast::PoolConfig::new())?;
    /// for sample in pool.history() {
    ///     println!("{} in use, {} waiting", sample.in_use, sample.waiting);
    /// }
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn history(&self) -> Vec<Sample> {
        if self.core.is_inherited() { Vec::new() } else { self.core.sampler.history() }
    }
}

impl Core {
    pub(in crate::pool) fn health(&self) -> Health {
        let stats = self.stats();
        let down = matches!(stats.circuit, Circuit::Open | Circuit::Refused);
        let lasts = stats.circuit_for.map(human).unwrap_or_default();
        let cause = || self.why_unreachable();
        let probing =
            || format!("the server has been out of reach for {lasts} and is looked for: {}", cause());
        let full = |by: crate::LimitedBy| {
            format!(
                "{} connections at most at present, of {}, because of {}",
                stats.limit,
                stats.max_size,
                by.words()
            )
        };
        Health::new(Facts {
            closed: self.admission.is_closed(),
            unreachable: down.then(|| format!("no connection can be opened, for {lasts}: {}", cause())),
            serves: stats.in_use + stats.idle > 0,
            hampered: match stats.circuit {
                Circuit::Probing => Some(probing()),
                _ => stats.limited_by.map(full),
            },
            alerts: self.sampler.alerts(),
            last_success: self.last_success(),
            last_error: self.last_open_failure.get().map(|failure| LastError {
                kind: failure.kind,
                phase: failure.phase,
                message: failure.cause,
                age: failure.at.elapsed(),
            }),
            last_probe: self.metrics.last_probe(),
        })
    }

    /// Returns the cause of the last failed opening.
    pub(in crate::pool) fn why_unreachable(&self) -> String {
        self.last_open_failure.get().map_or_else(|| "not told".to_owned(), |failure| failure.cause)
    }
}
