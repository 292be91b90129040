//! The metrics of a pool: its state and its counters, as of one moment.

use std::ops::Deref;
use std::time::Duration;

use crate::error::{ErrorKind, PoolSnapshot};
use crate::named_enum::named_enum;

named_enum! {
    /// The reason why the pool closed a connection.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    #[non_exhaustive]
    pub enum CloseReason {
        /// Idle for `idle_timeout`.
        IdleTimeout "idle_timeout",
        /// Older than its share of `max_lifetime`.
        MaxLifetime "max_lifetime",
        /// Found dead, or failed validation, before it was checked out.
        ValidationFailed "validation_failed",
        /// Broke while it was checked out.
        Broken "broken",
        /// A statement ran past its deadline.
        DeadlinePassed "deadline_passed",
        /// Came back in a state that could not be cleaned in time.
        Unclean "unclean",
        /// The caller asked for it ([`PooledConnection::discard`](crate::PooledConnection::discard)).
        Discarded "discarded",
        /// The pool was closed or dropped.
        PoolClosed "pool_closed",
        /// Idle when the program released idle connections ([`Pool::release_idle`](crate::Pool::release_idle)).
        Released "released",
        /// Its server no longer has the role that `target_session_attrs` asks for.
        WrongRole "wrong_role",
        /// Closed to leave its slot to other pools (the option `fleet_share`).
        Shared "shared",
        /// More than a lowered `max_size` allows ([`Pool::set_max_size`](crate::Pool::set_max_size)).
        Surplus "surplus",
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

/// The place of a kind among all: their numbers, which are status codes in C, begin above 0 and have no gap.
const fn place(kind: ErrorKind) -> usize {
    kind as usize - ErrorKind::ALL[0] as usize
}

const _: () = assert!(place(ErrorKind::ALL[ErrorKind::ALL.len() - 1]) == ErrorKind::ALL.len() - 1);

impl Counters {
    pub(crate) fn closed(&mut self, reason: CloseReason) {
        self.closes[reason as usize] += 1;
    }

    pub(crate) fn closes_by(&self, reason: CloseReason) -> u64 {
        self.closes[reason as usize]
    }

    /// Counts a failed attempt to open a connection, or a failed call.
    pub(crate) fn failed(&mut self, kind: ErrorKind) {
        self.errors[place(kind)] += 1;
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

named_enum! {
    /// The state of a pool's circuit: whether it opens connections at present.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    #[non_exhaustive]
    pub enum Circuit {
        /// Connections are opened as they are needed.
        #[default]
        Closed = 0 "closed",
        /// The server is out of reach. One prober tries for the whole process; calls wait for it, as long as their retries allow.
        Probing = 1 "probing",
        /// The server has been out of reach for longer than the option `breaker_after`: the prober goes on, calls that find no
        /// connection fail at once.
        Open = 2 "open",
        /// A permanent failure (credentials, database, TLS): calls that find no connection fail at once with the server's error,
        /// and the server is asked again only rarely.
        Refused = 3 "refused",
    }
}

/// The state and the counters of a pool. All are of one moment: they add up.
///
/// ```
/// let pool = holdfast::Pool::echo(holdfast::PoolConfig::new())?;
/// let conn = pool.get()?;
/// let stats = pool.stats();
/// assert_eq!((stats.total, stats.in_use, stats.idle, stats.opens), (1, 1, 0, 1));
/// assert_eq!((stats.closes_by(holdfast::CloseReason::IdleTimeout), stats.errors_of(holdfast::ErrorKind::PoolTimeout)), (0, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct Stats {
    /// The gauges, which can be read from the statistics themselves: `stats.idle` is `stats.gauges.idle`.
    pub gauges: PoolSnapshot,
    /// The circuit: whether connections are opened at present.
    pub circuit: Circuit,
    /// The time for which the server has been out of reach, or has refused; `None` when it is not.
    pub circuit_for: Option<Duration>,
    /// Checkouts.
    pub gets: u64,
    /// Calls that had to wait for a connection.
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

impl Deref for Stats {
    type Target = PoolSnapshot;

    fn deref(&self) -> &PoolSnapshot {
        &self.gauges
    }
}

impl Stats {
    pub(crate) fn new(gauges: PoolSnapshot, counters: Counters) -> Self {
        let closes = CloseReason::ALL.iter().copied().zip(counters.closes).collect();
        let errors = ErrorKind::ALL.iter().copied().zip(counters.errors).collect();
        Self {
            gauges,
            circuit: Circuit::Closed,
            circuit_for: None,
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
    ///
    /// ```
    /// use holdfast::CloseReason;
    ///
    /// # let pool = holdfast::Pool::echo(holdfast::PoolConfig::new())?;
    /// pool.get()?.discard();
    /// let closed = pool.stats();
    /// assert!(closed.closes().contains(&(CloseReason::Discarded, 1)));
    /// # Ok::<(), holdfast::Error>(())
    /// ```
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
