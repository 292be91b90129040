//! What metrics are made of, as of one moment.

use std::time::Duration;

use crate::observe::alerts::Alert;
use crate::pool::{Figures, Stats};

pub(crate) struct Observation {
    /// How long there has been this pool.
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
    /// What tells this pool from others in a process, by OpenTelemetry's rule for `db.client.connection.pool.name`: the name it
    /// was given, else what it leads to.
    pub(crate) fn pool_name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.target)
    }
}
