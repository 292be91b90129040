//! How the pool judges its own state.

use crate::error::human;
use crate::observe::alerts::Alert;
use crate::observe::health::{Facts, Health, LastError};
use crate::observe::history::Sample;
use crate::pool::Pool;
use crate::pool::core::{Inner, OpenFailure};
use crate::pool::telemetry::stats::Circuit;

impl Pool {
    /// Whether the pool can do its work, and if not, why. Judged by what is known: nothing is asked of the server, and nobody
    /// is waited for, so it may be called as often as one likes, by liveness and readiness checks too
    /// ([`Health::is_live`], [`Health::is_ready`]). In a forked child the pool counts as closed.
    ///
    #[cfg_attr(feature = "embedded", doc = "```")]
    #[cfg_attr(not(feature = "embedded"), doc = "```ignore")]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let mut server = holdfast::embedded::EmbeddedPostgres::start()?;
    /// # let url = server.url();
    /// let pool = holdfast::Pool::from_url(&url)?;
    /// pool.batch_execute("select 1")?;
    /// let health = pool.health();
    /// assert!(health.is_ready(), "{health}");
    /// # Ok(()) }
    /// ```
    pub fn health(&self) -> Health {
        if self.inner.is_inherited() {
            return Health::new(Facts { closed: true, ..Facts::default() });
        }
        self.inner.health()
    }

    /// The alerts that are raised at present. They are judged once a second, while something goes on in the pool; each has a
    /// cause in words and a remedy. They are told as events and log records too, when they are raised and when they are over.
    pub fn alerts(&self) -> Vec<Alert> {
        if self.inner.is_inherited() { Vec::new() } else { self.inner.watch.alerts() }
    }

    /// The last ten minutes, a moment for each second in which something went on, the oldest first.
    pub fn history(&self) -> Vec<Sample> {
        if self.inner.is_inherited() { Vec::new() } else { self.inner.watch.history() }
    }
}

impl Inner {
    pub(in crate::pool) fn health(&self) -> Health {
        let stats = self.stats();
        let down = matches!(stats.circuit, Circuit::Open | Circuit::Refused);
        let lasts = stats.circuit_for.map(human).unwrap_or_default();
        let says = || self.why_unreachable();
        let probing =
            || format!("the server has been out of reach for {lasts} and is looked for: {}", says());
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
            unreachable: down.then(|| format!("no connection can be opened, for {lasts}: {}", says())),
            serves: stats.in_use + stats.idle > 0,
            hampered: match stats.circuit {
                Circuit::Probing => Some(probing()),
                _ => stats.limited_by.map(full),
            },
            alerts: self.watch.alerts(),
            last_success: self.last_success(),
            last_error: self.last_open_failure.lock().clone().map(told),
            last_probe: self.meters.last_probe(),
        })
    }

    /// What the last failure to open a connection said.
    pub(in crate::pool) fn why_unreachable(&self) -> String {
        self.last_open_failure
            .lock()
            .as_ref()
            .map_or_else(|| "not told".to_owned(), |failure| failure.cause.clone())
    }
}

fn told(failure: OpenFailure) -> LastError {
    LastError { kind: failure.kind, phase: failure.phase, message: failure.cause, age: failure.at.elapsed() }
}
