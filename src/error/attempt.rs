//! The records an error carries: each attempt at opening a connection, and the state of the pool.

use std::time::{Duration, Instant};

use postgres::error::SqlState;

use super::{ErrorKind, LimitedBy, Phase};

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
    pub fn age(&self) -> Duration {
        self.ended.elapsed()
    }
}

/// The state of a pool at one moment; carried by errors. See also [`Pool::stats`](crate::Pool::stats).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PoolSnapshot {
    /// The configured hard cap.
    pub max_size: u32,
    /// The cap in force at present: at most `max_size`.
    pub limit: u32,
    /// The limit that keeps `limit` below `max_size`; `None` when there is none.
    pub limited_by: Option<LimitedBy>,
    /// The connections that fleet coordination allows this pool at present; `None` while it knows of no fleet. See the
    /// option `fleet_share`.
    pub fleet_share: Option<u32>,
    /// The number of pools of the fleet that hold connections, this one included, as of the last census.
    pub fleet_peers: Option<u32>,
    /// Server connections that count against the cap: idle, in use, opening and closing.
    pub total: u32,
    /// Connections parked and ready.
    pub idle: u32,
    /// Connections checked out (or being cleaned after their return).
    pub in_use: u32,
    /// Connections being opened.
    pub opening: u32,
    /// Threads waiting for a connection.
    pub waiting: u32,
}
