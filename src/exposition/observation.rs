//! One observation of a pool, from which all metrics are written.

use std::time::Duration;

use crate::observe::alerts::Alert;
use crate::pool::{Figures, Stats};

/// The state of a pool at one time.
pub(crate) struct Observation {
    /// The time since the pool was created.
    pub(crate) age: Duration,
    pub(crate) name: Option<String>,
    pub(crate) target: String,
    pub(crate) min_idle: u32,
    pub(crate) stats: Stats,
    pub(crate) figures: Figures,
    pub(crate) oldest_waiter: Duration,
    pub(crate) alerts: Vec<Alert>,
}

impl Observation {
    /// Returns the name that distinguishes this pool from others in a process, by OpenTelemetry's rule for
    /// `db.client.connection.pool.name`: its given name, else its target.
    pub(crate) fn pool_name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.target)
    }
}
