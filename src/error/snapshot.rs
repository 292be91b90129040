//! The gauges of a pool, as errors carry them and its statistics begin with. Their table is here, and nowhere else: Rust, C and
//! JSON take them from it.

use super::LimitedBy;

/// Calls a macro with the table of gauges: documentation, name and type of each. `gauges!(m, a; b)` is `m! { a; b; rows }`.
macro_rules! gauges {
    ($with:ident $(, $($argument:ident);+)?) => {
        $with! {
            $($($argument;)+)?
            /// The configured hard cap.
            max_size: u32,
            /// The cap in force at present: at most `max_size`.
            limit: u32,
            /// The limit that keeps `limit` below `max_size`; `None` when there is none.
            limited_by: Option<LimitedBy>,
            /// The connections that fleet coordination allows this pool at present; `None` while it knows of no fleet. See the
            /// option `fleet_share`.
            fleet_share: Option<u32>,
            /// The number of pools of the fleet that hold connections, this one included, as of the last census.
            fleet_peers: Option<u32>,
            /// Server connections that count against the cap: idle, in use, opening and closing.
            total: u32,
            /// Connections parked and ready.
            idle: u32,
            /// Connections checked out (or being cleaned after their return).
            in_use: u32,
            /// Connections being opened.
            opening: u32,
            /// Threads and submitted requests that wait for a connection.
            waiting: u32,
        }
    };
}
#[allow(unused_imports, reason = "used by the features `json` and `capi`")]
pub(crate) use gauges;

macro_rules! declare {
    ($($(#[$doc:meta])* $gauge:ident: $Type:ty,)+) => {
        /// The state of a pool at one moment; carried by errors. See also [`Pool::stats`](crate::Pool::stats).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        #[non_exhaustive]
        pub struct PoolSnapshot {
            $($(#[$doc])* pub $gauge: $Type,)+
        }
    };
}
gauges!(declare);
