//! The record of an attempt at opening a connection, as errors carry them.

use std::time::{Duration, Instant};

use postgres::error::SqlState;

use super::{ErrorKind, Phase};

/// A failed attempt at opening a connection.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The class of the failure that ended it.
    pub kind: ErrorKind,
    /// The step in which it ended.
    pub phase: Option<Phase>,
    /// The SQLSTATE the server answered with, if it answered.
    pub sqlstate: Option<SqlState>,
    /// The cause in words.
    pub cause: String,
    /// The server it was made at, as `host:port` or a socket path.
    pub target: Option<String>,
    /// The time this attempt took.
    pub took: Duration,
    /// The wait between this attempt and the next, if there was a next one.
    pub backoff: Option<Duration>,
    pub(crate) ended: Instant,
}

impl Attempt {
    /// Returns the time since this attempt ended.
    ///
    /// ```
    /// let config = holdfast::PoolConfig::from_url("postgresql://localhost:1/nowhere?retry_max=0")?;
    /// let error = holdfast::Pool::new(config)?.get().unwrap_err();
    /// for attempt in error.attempts() {
    ///     println!("{} s ago: {}", attempt.age().as_secs(), attempt.cause);
    /// }
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn age(&self) -> Duration {
        self.ended.elapsed()
    }
}
