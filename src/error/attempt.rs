//! The records an error carries: each attempt at opening a connection, and the state of the pool.

use std::time::{Duration, Instant};

use postgres::error::SqlState;

use super::{ErrorKind, LimitedBy, Phase};

/// One failed try at opening a connection.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// What class of failure ended it.
    pub kind: ErrorKind,
    /// Where it ended.
    pub phase: Option<Phase>,
    /// What the server answered, if it answered.
    pub sqlstate: Option<SqlState>,
    /// The cause in words.
    pub cause: String,
    /// The server it was made at, as `host:port` or a socket path.
    pub target: Option<String>,
    /// How long this try took.
    pub took: Duration,
    /// How long was waited after it before the next one, if there was a next one.
    pub backoff: Option<Duration>,
    pub(crate) ended: Instant,
}

impl Attempt {
    /// How long ago this try ended.
    pub fn age(&self) -> Duration {
        self.ended.elapsed()
    }
}

/// How a pool stood at one moment; carried by errors. See also [`Pool::stats`](crate::Pool::stats).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PoolSnapshot {
    /// The configured hard cap.
    pub max_size: u32,
    /// The cap in force at present: at most `max_size`.
    pub limit: u32,
    /// What keeps `limit` below `max_size`; `None` when nothing does.
    pub limited_by: Option<LimitedBy>,
    /// What this pool may hold at present as one of a fleet; `None` while it knows of none. See the option `fleet_share`.
    pub fleet_share: Option<u32>,
    /// How many pools of the fleet hold connections, this one included, as of its last look.
    pub fleet_peers: Option<u32>,
    /// Server connections that count against the cap: idle, in use, opening and closing.
    pub total: u32,
    /// Connections parked and ready.
    pub idle: u32,
    /// Connections lent out (or being cleaned after a loan).
    pub in_use: u32,
    /// Connections being opened.
    pub opening: u32,
    /// Threads waiting for a connection.
    pub waiting: u32,
}
