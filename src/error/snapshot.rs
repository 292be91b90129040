//! The gauges of a pool, as errors carry them and its statistics begin with.

use super::LimitedBy;

/// The state of a pool at one moment; carried by errors. See also [`Pool::stats`](crate::Pool::stats).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
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
    /// Threads and submitted requests that wait for a connection.
    pub waiting: u32,
}
