//! Everything that is shown of a pool, as of one moment.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::observe::alerts::Alert;
use crate::observe::exhaustion::Exhaustion;
use crate::observe::health::Health;
use crate::observe::history::Moment;
use crate::pool::{Figures, Stats};

pub(crate) struct Observation {
    pub(crate) taken: SystemTime,
    /// How long there has been this pool.
    pub(crate) age: Duration,
    pub(crate) name: Option<String>,
    pub(crate) target: String,
    pub(crate) min_idle: u32,
    pub(crate) stats: Stats,
    pub(crate) figures: Figures,
    pub(crate) oldest_waiter: Duration,
    pub(crate) health: Health,
    pub(crate) alerts: Vec<Alert>,
    pub(crate) history: Vec<Moment>,
    pub(crate) exhaustion: Option<Arc<Exhaustion>>,
}

impl Observation {
    /// What tells this pool from others in a process, by OpenTelemetry's rule for `db.client.connection.pool.name`: the name it
    /// was given, else what it leads to.
    pub(crate) fn pool_name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.target)
    }
}
