//! The health of a pool: whether it can serve calls, and why not.

use std::fmt;
use std::time::Duration;

use super::alerts::{Alert, Severity};
use crate::error::{ErrorKind, Phase, human};
use crate::named_enum::named_enum;

named_enum! {
    /// The health of a pool in one word.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    #[non_exhaustive]
    pub enum HealthStatus {
        /// No problem is known. An unused pool is healthy: it opens no connection to find out.
        Healthy = 0 "healthy",
        /// The pool serves calls, but an alert is raised, the server is full, or the server is out of reach and being probed.
        Degraded = 1 "degraded",
        /// Callers get an error: the circuit is open, the server fails the pool permanently, or the pool was closed.
        Down = 2 "down",
    }
}

/// A failure to open a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LastError {
    /// The kind of the error.
    pub kind: ErrorKind,
    /// The phase in which it occurred.
    pub phase: Option<Phase>,
    /// The error message.
    pub message: String,
    /// The time since then.
    pub age: Duration,
}

/// The health of a pool with its reasons; see [`Pool::health`](crate::Pool::health).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct Health {
    /// The health in one word.
    pub status: HealthStatus,
    /// The problems as text; empty when there is none.
    pub reasons: Vec<String>,
    /// The time since the server last answered: a statement ended, or a connection was opened or validated. `None` before the
    /// first.
    pub last_success: Option<Duration>,
    /// The last failure to open a connection.
    pub last_error: Option<LastError>,
    /// How long the last validation or probe of a connection took, from question to answer. `None` before the first.
    pub last_probe: Option<Duration>,
    closed: bool,
}

impl Health {
    pub(crate) fn new(facts: Facts) -> Self {
        let mut reasons = Vec::new();
        let mut status = HealthStatus::Healthy;
        let mut tell = |at_least: HealthStatus, reason: String| {
            status = status.max(at_least);
            reasons.push(reason);
        };
        if facts.closed {
            tell(HealthStatus::Down, "the pool was closed".to_owned());
        }
        if let Some(why) = facts.unreachable {
            tell(if facts.serves { HealthStatus::Degraded } else { HealthStatus::Down }, why);
        }
        if let Some(why) = facts.hampered {
            tell(HealthStatus::Degraded, why);
        }
        for alert in &facts.alerts {
            let kind = alert.kind;
            let grave = if kind.severity() == Severity::Critical { " (critical)" } else { "" };
            tell(
                HealthStatus::Degraded,
                format!("{}{grave} for {}: {}", kind.name(), human(alert.lasts), alert.cause),
            );
        }
        Self {
            status,
            reasons,
            last_success: facts.last_success,
            last_error: facts.last_error,
            last_probe: facts.last_probe,
            closed: facts.closed,
        }
    }

    /// Returns whether the process should keep running. A pool whose server is out of reach is live: it recovers by itself when
    /// the server is back, and a restart of the process would only add load. Only a closed pool is not live, since it stays so.
    pub fn is_live(&self) -> bool {
        !self.closed
    }

    /// Returns whether requests that need the database should be sent to this process.
    pub fn is_ready(&self) -> bool {
        self.status != HealthStatus::Down
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.status.name())?;
        for reason in &self.reasons {
            write!(f, "; {reason}")?;
        }
        if let Some(age) = self.last_success {
            write!(f, "; the server was last heard of {} ago", human(age))?;
        }
        if let Some(error) = &self.last_error {
            write!(
                f,
                "; the last failure to open a connection, {} ago: {}",
                human(error.age),
                error.message
            )?;
        }
        Ok(())
    }
}

/// The facts from which health is derived.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) closed: bool,
    /// The reason why no connection can be opened: calls that find none fail at once.
    pub(crate) unreachable: Option<String>,
    /// Open connections serve calls all the same.
    pub(crate) serves: bool,
    /// A problem that does not keep calls from being served or from waiting.
    pub(crate) hampered: Option<String>,
    pub(crate) alerts: Vec<Alert>,
    pub(crate) last_success: Option<Duration>,
    pub(crate) last_error: Option<LastError>,
    pub(crate) last_probe: Option<Duration>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(facts: Facts) -> (HealthStatus, bool, bool) {
        let health = Health::new(facts);
        (health.status, health.is_live(), health.is_ready())
    }

    #[test]
    fn a_pool_that_nobody_has_used_is_healthy() {
        assert_eq!(judged(Facts::default()), (HealthStatus::Healthy, true, true));
    }

    #[test]
    fn a_pool_without_a_server_is_down_but_alive_and_one_with_connections_left_is_degraded() {
        let away = || Some("no connection can be opened".to_owned());
        let facts = Facts { unreachable: away(), ..Facts::default() };
        assert_eq!(judged(facts), (HealthStatus::Down, true, false));
        let facts = Facts { unreachable: away(), serves: true, ..Facts::default() };
        assert_eq!(judged(facts), (HealthStatus::Degraded, true, true));
    }

    #[test]
    fn only_a_closed_pool_is_not_alive() {
        assert_eq!(judged(Facts { closed: true, ..Facts::default() }), (HealthStatus::Down, false, false));
    }
}
