//! The advice, with the measurements behind it.

use std::time::Duration;

use holdfast::{PoolConfig, Result};

use super::capacity::Settings;
use super::sample::Spread;
use super::sizing::{Ceiling, Fit, Sizing, Step, waiting_share};
use super::workload::Workload;
use crate::diagnose::diagnosis::Identity;

/// The advice, with the measurements behind it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Advice {
    /// The server or servers as configured.
    pub target: String,
    /// `server_version`.
    pub server_version: String,
    /// Whether the server has enough connections for the workload.
    pub fit: Fit,
    /// The measurements.
    pub measured: Measured,
    /// The limits on connections.
    pub ceilings: Vec<Ceiling>,
    /// The calculation from the measurements to the size, line by line.
    pub arithmetic: Vec<Step>,
    /// Settings of the pool, in each process.
    pub pool: Vec<PoolSetting>,
    /// Settings of the server that would be better.
    pub server: Vec<ServerSetting>,
    /// The ways out where there are too few connections; empty where there are enough.
    pub ways_out: Vec<WayOut>,
    /// Further remarks.
    pub notes: Vec<String>,
}

impl Advice {
    /// Returns the configuration with the advised settings, which replace its own.
    ///
    /// # Errors
    /// [`Config`](holdfast::ErrorKind::Config) if they do not go with the rest of the configuration.
    pub fn apply(&self, mut config: PoolConfig) -> Result<PoolConfig> {
        for setting in &self.pool {
            config.set(setting.key, &setting.value)?;
        }
        config.validate()?;
        Ok(config)
    }
}

/// The measurements at the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Measured {
    /// The time it takes to open a connection.
    pub opening: Opening,
    /// The round trip of an empty query.
    pub round_trip: Spread,
    /// The server's time for a statement.
    pub service: ServiceTime,
}

/// The time it takes to open a connection: the whole, and the medians of its phases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Opening {
    /// From name look-up to the first `ReadyForQuery`.
    pub whole: Spread,
    /// Looking the name up; zero for an address.
    pub resolve: Duration,
    /// TCP or the local socket.
    pub connect: Duration,
    /// The TLS handshake; `None` on a plain connection.
    pub tls: Option<Duration>,
    /// Authentication and the start of the session.
    pub session: Duration,
}

/// The server's time for a statement, without the round trip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServiceTime {
    /// Given by the caller.
    Given(Duration),
    /// Measured with the given statement.
    Measured(Spread),
    /// Measured with `select 1`, since no statement was given: real statements take longer.
    Trivial(Spread),
}

impl ServiceTime {
    /// Returns its mean.
    pub fn mean(&self) -> Duration {
        match self {
            Self::Given(time) => *time,
            Self::Measured(times) | Self::Trivial(times) => times.mean,
        }
    }

    /// Returns its origin: `given`, `measured` or `trivial`.
    pub fn origin(&self) -> &'static str {
        match self {
            Self::Given(_) => "given",
            Self::Measured(_) => "measured",
            Self::Trivial(_) => "trivial",
        }
    }

    /// Returns the measurements; `None` if it was given.
    pub fn spread(&self) -> Option<&Spread> {
        match self {
            Self::Given(_) => None,
            Self::Measured(times) | Self::Trivial(times) => Some(times),
        }
    }
}

/// A setting of the pool.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolSetting {
    /// Its key in the table of options.
    pub key: &'static str,
    /// The value, as [`PoolConfig::set`](holdfast::PoolConfig::set) takes it.
    pub value: String,
    /// The reason, in numbers.
    pub reason: String,
}

/// A setting of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerSetting {
    /// Its name.
    pub name: &'static str,
    /// Its present value for this session.
    pub now: String,
    /// The recommended value.
    pub value: String,
    /// The statement that sets it, for an administrator.
    pub statement: String,
    /// The reason.
    pub reason: String,
}

/// A way out where there are too few connections.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WayOut {
    /// A stable name in snake case.
    pub id: &'static str,
    /// The recommended action, with the arithmetic.
    pub text: String,
}

/// The input of the advice.
pub(super) struct Case<'a> {
    pub(super) workload: &'a Workload,
    pub(super) measured: &'a Measured,
    pub(super) sizing: &'a Sizing,
    pub(super) ceilings: &'a [Ceiling],
    pub(super) identity: &'a Identity,
    pub(super) settings: &'a Settings,
}

impl Case<'_> {
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.workload.rate.is_none() {
            notes.push(
                "No rate was given, so the size follows from what there is and not from what is needed: \
                 give --rate (requests a second of all processes at the busiest time)."
                    .to_owned(),
            );
        }
        if matches!(self.measured.service, ServiceTime::Trivial(_)) {
            notes.push("What was measured is select 1. Real statements take longer, and the size grows in proportion: give \
                 --statement or --service-time.".to_owned());
        }
        if let Some(load) = self.sizing.load.filter(|load| waiting_share(*load, self.sizing.max_size) >= 1.0)
        {
            notes.push(format!(
                "One process has {} connections' worth of work on average and gets {}: its queue grows without end.",
                super::sizing::plain(load),
                self.sizing.max_size
            ));
        }
        if self.identity.pooler.is_some() {
            notes.push("A pooler is in between: the limits above are those of the server behind it. What the pooler allows \
                 (PgBouncer: max_client_conn, default_pool_size; pgpool-II: num_init_children) bounds the pools too.".to_owned());
        }
        notes.push(self.cores());
        notes
    }

    fn cores(&self) -> String {
        let busy = self.sizing.max_size.saturating_mul(self.sizing.holders);
        let rule = "\"cores * 2 + spindles\" at once (HikariCP, About Pool Sizing)";
        match self.workload.database_cores {
            Some(cores) => format!(
                "A rule of thumb has a database work fastest with {rule}: {cores} * 2 + 1 = {}; all these pools together may be \
                 at {busy}. Where statements keep its processors busy, more connections make each statement slower.",
                cores.saturating_mul(2).saturating_add(1)
            ),
            None => format!(
                "A rule of thumb has a database work fastest with {rule}; all these pools together may be at {busy}. SQL does \
                 not tell how many cores there are: --database-cores does the sum."
            ),
        }
    }
}
