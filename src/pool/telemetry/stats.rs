//! The metrics of a pool: its state and its counters, as of one moment.

use std::time::Duration;

use crate::error::{ErrorKind, LimitedBy, PoolSnapshot};

/// The reason why the pool closed a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// Idle for `idle_timeout`.
    IdleTimeout,
    /// Older than its share of `max_lifetime`.
    MaxLifetime,
    /// Found dead, or failed validation, before it was checked out.
    ValidationFailed,
    /// Broke while it was checked out.
    Broken,
    /// A statement ran past its deadline.
    DeadlinePassed,
    /// Came back in a state that could not be cleaned in time.
    Unclean,
    /// The borrower asked for it ([`PooledConnection::discard`](crate::PooledConnection::discard)).
    Discarded,
    /// The pool was closed or dropped.
    PoolClosed,
    /// Idle when the program released idle connections ([`Pool::release_idle`](crate::Pool::release_idle)).
    Released,
    /// Its server no longer has the role that `target_session_attrs` asks for.
    WrongRole,
    /// Closed to leave its slot to other pools (the option `fleet_share`).
    Shared,
}

impl CloseReason {
    /// Every reason, in the order counters are kept in.
    pub const ALL: [CloseReason; 11] = [
        Self::IdleTimeout,
        Self::MaxLifetime,
        Self::ValidationFailed,
        Self::Broken,
        Self::DeadlinePassed,
        Self::Unclean,
        Self::Discarded,
        Self::PoolClosed,
        Self::Released,
        Self::WrongRole,
        Self::Shared,
    ];

    /// Returns the reason's stable name in snake case.
    pub fn name(self) -> &'static str {
        match self {
            Self::IdleTimeout => "idle_timeout",
            Self::MaxLifetime => "max_lifetime",
            Self::ValidationFailed => "validation_failed",
            Self::Broken => "broken",
            Self::DeadlinePassed => "deadline_passed",
            Self::Unclean => "unclean",
            Self::Discarded => "discarded",
            Self::PoolClosed => "pool_closed",
            Self::Released => "released",
            Self::WrongRole => "wrong_role",
            Self::Shared => "shared",
        }
    }
}

/// The counters since the pool was made. Kept under the pool's own lock, so that they agree with the gauges.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counters {
    pub(crate) gets: u64,
    pub(crate) waits: u64,
    pub(crate) timeouts: u64,
    pub(crate) shed: u64,
    pub(crate) opens: u64,
    pub(crate) retries: u64,
    pub(crate) probes: u64,
    pub(crate) rolled_back: u64,
    /// Calls that got no connection. Excludes `Misuse`, `Config`, `PoolClosed`, and database errors during session set-up.
    pub(crate) failed_calls: u64,
    closes: [u64; CloseReason::ALL.len()],
    errors: [u64; ErrorKind::ALL.len()],
}

impl Counters {
    pub(crate) fn closed(&mut self, reason: CloseReason) {
        self.closes[reason as usize] += 1;
    }

    /// Counts a failed attempt to open a connection, or a failed call.
    pub(crate) fn failed(&mut self, kind: ErrorKind) {
        self.errors[kind as usize] += 1;
    }

    /// Counts a failed call, after all its attempts.
    pub(crate) fn call_failed(&mut self, kind: ErrorKind) {
        self.failed(kind);
        let no_fault = matches!(
            kind,
            ErrorKind::PoolClosed | ErrorKind::Misuse | ErrorKind::Config | ErrorKind::Database
        );
        self.failed_calls += u64::from(!no_fault);
    }
}

/// The state of a pool's circuit: whether it opens connections at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Circuit {
    /// Connections are opened as they are needed.
    #[default]
    Closed,
    /// The server is out of reach. One prober tries for the whole process; calls wait for it, as long as their retries allow.
    Probing,
    /// The server has been out of reach for longer than `breaker_after`: the prober goes on, calls that find no connection fail
    /// at once.
    Open,
    /// A permanent failure (credentials, database, TLS): calls that find no connection fail at once with the server's error,
    /// and the server is asked again only rarely.
    Refused,
}

impl Circuit {
    /// Every state.
    pub const ALL: [Circuit; 4] = [Self::Closed, Self::Probing, Self::Open, Self::Refused];

    /// Returns its stable name in snake case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Probing => "probing",
            Self::Open => "open",
            Self::Refused => "refused",
        }
    }
}

/// The state and the counters of a pool. All are of one moment: they add up.
///
#[cfg_attr(feature = "embedded", doc = "```")]
#[cfg_attr(not(feature = "embedded"), doc = "```ignore")]
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = holdfast::embedded::EmbeddedPostgres::start()?;
/// # let url = server.url();
/// let pool = holdfast::Pool::from_url(&url)?;
/// let conn = pool.get()?;
/// let stats = pool.stats();
/// assert_eq!((stats.total, stats.in_use, stats.idle, stats.opens), (1, 1, 0, 1));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// The configured hard cap.
    pub max_size: u32,
    /// The cap in force at present: at most `max_size`, and less where the server was found to be full. It rises again as
    /// connections are wanted and available.
    pub limit: u32,
    /// The cause that keeps `limit` below `max_size`; `None` when nothing does.
    pub limited_by: Option<LimitedBy>,
    /// The circuit: whether connections are opened at present.
    pub circuit: Circuit,
    /// The time for which the server has been out of reach, or has refused; `None` when it is not.
    pub circuit_for: Option<Duration>,
    /// The number of connections that this pool may hold as one of a fleet of pools that share a server; `None` before the first
    /// census, and with `fleet_share=off`.
    pub fleet_share: Option<u32>,
    /// The number of pools of the fleet that hold connections, this one included, as of the last census.
    pub fleet_peers: Option<u32>,
    /// Server connections that count against the cap: idle, in use, opening, and closing ones the server may still see.
    pub total: u32,
    /// Parked and ready.
    pub idle: u32,
    /// Checked out, or being cleaned after a checkout.
    pub in_use: u32,
    /// Being opened.
    pub opening: u32,
    /// Threads that wait for a connection.
    pub waiting: u32,
    /// Checkouts.
    pub gets: u64,
    /// Times a thread had to queue.
    pub waits: u64,
    /// Calls that ended with [`ErrorKind::PoolTimeout`].
    pub timeouts: u64,
    /// Calls that were not let into the queue ([`ErrorKind::Overloaded`]).
    pub shed: u64,
    /// Connections opened.
    pub opens: u64,
    /// Attempts to open a connection that were repeated after a failure.
    pub retries: u64,
    /// Probes: attempts to open a connection without a caller, to find out whether a server is back that was out of reach or
    /// refused.
    pub probes: u64,
    /// Successful validations of a connection, before a checkout or in the background.
    pub validations: u64,
    /// Statements of the pool's users that the server has finished, failed ones included. The pool's own statements do not
    /// count, nor do empty ones; a statement that is read in portions counts when it is over.
    pub statements: u64,
    /// Connections that came back with an open or failed transaction, which was rolled back.
    pub rolled_back: u64,
    pub(crate) failed_calls: u64,
    closes: Vec<(CloseReason, u64)>,
    errors: Vec<(ErrorKind, u64)>,
}

impl Stats {
    pub(crate) fn new(gauges: PoolSnapshot, counters: Counters) -> Self {
        let closes = CloseReason::ALL.into_iter().zip(counters.closes).collect();
        let errors = ErrorKind::ALL.into_iter().zip(counters.errors).collect();
        Self {
            max_size: gauges.max_size,
            limit: gauges.limit,
            limited_by: gauges.limited_by,
            circuit: Circuit::Closed,
            circuit_for: None,
            fleet_share: gauges.fleet_share,
            fleet_peers: gauges.fleet_peers,
            total: gauges.total,
            idle: gauges.idle,
            in_use: gauges.in_use,
            opening: gauges.opening,
            waiting: gauges.waiting,
            gets: counters.gets,
            waits: counters.waits,
            timeouts: counters.timeouts,
            shed: counters.shed,
            opens: counters.opens,
            retries: counters.retries,
            probes: counters.probes,
            validations: 0,
            statements: 0,
            rolled_back: counters.rolled_back,
            failed_calls: counters.failed_calls,
            closes,
            errors,
        }
    }

    pub(crate) fn with_measured(self, validations: u64, statements: u64) -> Self {
        Self { validations, statements, ..self }
    }

    pub(crate) fn with_circuit(self, circuit: Circuit, circuit_for: Option<Duration>) -> Self {
        Self { circuit, circuit_for, ..self }
    }

    /// Returns the connections closed, by reason; every reason is listed.
    pub fn closes(&self) -> &[(CloseReason, u64)] {
        &self.closes
    }

    /// Returns the connections closed for one reason.
    pub fn closes_by(&self, reason: CloseReason) -> u64 {
        self.closes.iter().find(|(r, _)| *r == reason).map_or(0, |(_, n)| *n)
    }

    /// Returns the failed attempts to open and the failed calls of the pool, by kind; every kind is listed.
    pub fn errors(&self) -> &[(ErrorKind, u64)] {
        &self.errors
    }

    /// Returns the failures of one kind.
    pub fn errors_of(&self, kind: ErrorKind) -> u64 {
        self.errors.iter().find(|(k, _)| *k == kind).map_or(0, |(_, n)| *n)
    }
}
