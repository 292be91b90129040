//! What went wrong, told so that a person at 3 a.m. can act on it and a program can decide on it.
//!
//! One type serves the whole crate. It always knows its [`ErrorKind`]; where they apply it also knows the [`Phase`] it
//! happened in, what the server said, every attempt that was made, how long it all took and how the pool stood.
//! Deciding which kind a failure is happens in `classify` and nowhere else.

mod classify;
mod commit;
mod display;
mod limited_by;
mod link_fault;
mod other_service;
mod parameter_count;
mod phase_timings;
mod server_message;
mod stale;

use std::error::Error as StdError;
use std::time::{Duration, Instant};

pub use postgres::error::{ErrorPosition, Severity, SqlState};

pub(crate) use classify::{ends_the_session, find_source, is_connection_failure, is_transaction_conflict};
#[cfg(feature = "capi")]
pub(crate) use commit::RolledBack;
pub(crate) use display::human;
pub use limited_by::LimitedBy;
pub(crate) use link_fault::LinkFault;
pub(crate) use other_service::is_readable;
pub use parameter_count::ParameterCount;
pub(crate) use phase_timings::PhaseTimings;
pub(crate) use stale::{Staleness, is_duplicate_name, is_unknown_name};

/// The class of a failure: what a program branches on.
///
/// New kinds may be added, so a `match` needs a `_` arm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The configuration cannot be used as it stands. Never retryable.
    Config,
    /// The host name could not be resolved.
    Resolve,
    /// Nobody listens at the address, or the listener hung up during connection set-up.
    Refused,
    /// There is no route to the host or its network.
    Unreachable,
    /// TLS could not be established as `sslmode` demands. Never retryable.
    Tls,
    /// The server refused the credentials (SQLSTATE class 28). Never retryable.
    Auth,
    /// No connection slot is left: SQLSTATE 53300 in all its texts, or a pooler's own refusal.
    ServerFull,
    /// The server is starting up, shutting down or recovering (57P03).
    ServerStarting,
    /// The connection was not established within its deadline.
    ConnectTimeout,
    /// No connection of the pool came free within the deadline.
    PoolTimeout,
    /// The circuit breaker refuses to open connections at present.
    CircuitOpen,
    /// The pool was closed.
    PoolClosed,
    /// An established connection broke.
    ConnectionLost,
    /// A statement ran past its deadline.
    QueryTimeout,
    /// A statement was cancelled on request.
    Canceled,
    /// The connection broke while `COMMIT` was under way: whether it took effect is unknown.
    CommitUnknown,
    /// The server answered with an error; see [`Error::sqlstate`].
    Database,
    /// The caller used the library in a way it does not allow.
    Misuse,
    /// The pool did not let this caller into its queue: as many wait as `max_waiting` allows, or the queue goes so slowly that
    /// his turn would come long after his deadline. Nothing was done. Retryable, but not at once: the pool is overloaded.
    Overloaded,
}

impl ErrorKind {
    /// The kind's stable name in snake case, as used in metrics, JSON and the C ABI.
    ///
    /// ```
    /// assert_eq!(holdfast::ErrorKind::ServerFull.name(), "server_full");
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Resolve => "resolve",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Tls => "tls",
            Self::Auth => "auth",
            Self::ServerFull => "server_full",
            Self::ServerStarting => "server_starting",
            Self::ConnectTimeout => "connect_timeout",
            Self::PoolTimeout => "pool_timeout",
            Self::CircuitOpen => "circuit_open",
            Self::PoolClosed => "pool_closed",
            Self::ConnectionLost => "connection_lost",
            Self::QueryTimeout => "query_timeout",
            Self::Canceled => "canceled",
            Self::CommitUnknown => "commit_unknown",
            Self::Database => "database",
            Self::Misuse => "misuse",
            Self::Overloaded => "overloaded",
        }
    }

    /// Every kind, in the order of the enum: counters are kept per kind.
    pub const ALL: [ErrorKind; 19] = [
        Self::Config,
        Self::Resolve,
        Self::Refused,
        Self::Unreachable,
        Self::Tls,
        Self::Auth,
        Self::ServerFull,
        Self::ServerStarting,
        Self::ConnectTimeout,
        Self::PoolTimeout,
        Self::CircuitOpen,
        Self::PoolClosed,
        Self::ConnectionLost,
        Self::QueryTimeout,
        Self::Canceled,
        Self::CommitUnknown,
        Self::Database,
        Self::Misuse,
        Self::Overloaded,
    ];
}

/// The step of a connection's life in which a failure happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Reading options, URLs, environment, password and service files.
    Config,
    /// Waiting in the pool's queue.
    Queue,
    /// Resolving the host name.
    Resolve,
    /// Establishing the TCP or Unix-domain connection.
    Connect,
    /// Asking for TLS and shaking hands.
    Tls,
    /// Start-up packet, authentication and session start, up to the first `ReadyForQuery`.
    Auth,
    /// Checking that the server has the role that `target_session_attrs` asks for.
    Role,
    /// Proving that a pooled connection still works.
    Validate,
    /// Running a statement.
    Query,
    /// Committing a transaction.
    Commit,
    /// Closing a connection or the pool.
    Close,
}

impl Phase {
    /// The phase's stable name in snake case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Queue => "queue",
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Auth => "auth",
            Self::Role => "role",
            Self::Validate => "validate",
            Self::Query => "query",
            Self::Commit => "commit",
            Self::Close => "close",
        }
    }
}

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

/// Any failure of this crate.
///
/// ```
/// use holdfast::{ErrorKind, Pool};
///
/// let error = Pool::from_url("postgresql://app@db/orders?max_sise=8").unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Config);
/// assert!(error.to_string().contains("max_size"));
/// ```
pub struct Error(Box<Inner>);

pub(crate) type Source = Box<dyn StdError + Send + Sync>;

struct Inner {
    kind: ErrorKind,
    phase: Option<Phase>,
    /// What failed, in words, without what the other fields say.
    message: String,
    /// Further facts, printed behind the message.
    notes: Vec<String>,
    server: Option<ServerMessage>,
    target: Option<String>,
    attempts: Vec<Attempt>,
    elapsed: Option<Duration>,
    snapshot: Option<PoolSnapshot>,
    timings: PhaseTimings,
    parameter_count: Option<ParameterCount>,
    retryable: bool,
    /// What answered is not PostgreSQL.
    of_other_service: bool,
    source: Option<Source>,
}

/// What the server said in an `ErrorResponse` or `NoticeResponse`: every field the protocol knows ("Error and Notice
/// Message Fields" in PostgreSQL's documentation).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerMessage {
    /// `ERROR`, `FATAL`, `WARNING`, `NOTICE` and so on, not localized.
    pub severity: String,
    /// The code.
    pub sqlstate: SqlState,
    /// What happened, in one line.
    pub message: String,
    /// More about it.
    pub detail: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// Where in the statement, in characters from 1.
    pub position: Option<String>,
    /// Where in `internal_query`.
    pub internal_position: Option<String>,
    /// The statement the server made itself, of a function for instance.
    pub internal_query: Option<String>,
    /// Where it happened: the stack of functions and commands.
    pub context: Option<String>,
    /// The schema concerned.
    pub schema: Option<String>,
    /// The table concerned.
    pub table: Option<String>,
    /// The column concerned.
    pub column: Option<String>,
    /// The data type concerned.
    pub data_type: Option<String>,
    /// The constraint violated.
    pub constraint: Option<String>,
    /// The server's source file.
    pub file: Option<String>,
    /// The line there.
    pub line: Option<String>,
    /// The routine there.
    pub routine: Option<String>,
}

impl ServerMessage {
    /// One that says this and no more.
    pub(crate) fn new(severity: impl Into<String>, sqlstate: SqlState, message: impl Into<String>) -> Self {
        Self {
            severity: severity.into(),
            sqlstate,
            message: message.into(),
            detail: None,
            hint: None,
            position: None,
            internal_position: None,
            internal_query: None,
            context: None,
            schema: None,
            table: None,
            column: None,
            data_type: None,
            constraint: None,
            file: None,
            line: None,
            routine: None,
        }
    }
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            phase: None,
            message: message.into(),
            notes: Vec::new(),
            server: None,
            target: None,
            attempts: Vec::new(),
            elapsed: None,
            snapshot: None,
            timings: PhaseTimings::default(),
            parameter_count: None,
            retryable: classify::retryable_by_kind(kind),
            of_other_service: false,
            source: None,
        }))
    }

    pub(crate) fn config(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Config, message).in_phase(Phase::Config)
    }

    pub(crate) fn misuse(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Misuse, message)
    }

    pub(crate) fn in_phase(mut self, phase: Phase) -> Self {
        self.0.phase = Some(phase);
        self
    }

    pub(crate) fn with_source(mut self, source: impl Into<Source>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Names the server the failure concerns (`host:port`), for messages. Never holds a secret.
    pub(crate) fn at_target(mut self, target: impl Into<String>) -> Self {
        self.0.target = Some(target.into());
        self
    }

    pub(crate) fn with_server_message(mut self, server: ServerMessage) -> Self {
        self.0.server = Some(server);
        self
    }

    pub(crate) fn with_attempts(mut self, attempts: Vec<Attempt>) -> Self {
        self.0.attempts = attempts;
        self
    }

    pub(crate) fn with_elapsed(mut self, elapsed: Duration) -> Self {
        self.0.elapsed = Some(elapsed);
        self
    }

    pub(crate) fn with_snapshot(mut self, snapshot: PoolSnapshot) -> Self {
        self.0.snapshot = Some(snapshot);
        self
    }

    pub(crate) fn set_retryable(mut self, retryable: bool) -> Self {
        self.0.retryable = retryable;
        self
    }

    /// Adds to the words of the failure.
    pub(crate) fn with_note(mut self, note: String) -> Self {
        self.0.notes.push(note);
        self
    }

    /// The same failure, for another who meets it: without what was its first one's alone, attempts and source.
    pub(crate) fn again(&self) -> Self {
        let Inner {
            kind,
            phase,
            message,
            notes,
            server,
            target,
            parameter_count,
            retryable,
            of_other_service,
            ..
        } = &*self.0;
        Self(Box::new(Inner {
            kind: *kind,
            phase: *phase,
            message: message.clone(),
            notes: notes.clone(),
            server: server.clone(),
            target: target.clone(),
            attempts: Vec::new(),
            elapsed: None,
            snapshot: None,
            timings: PhaseTimings::default(),
            parameter_count: *parameter_count,
            retryable: *retryable,
            of_other_service: *of_other_service,
            source: None,
        }))
    }

    /// Files this failure as one attempt among several, before the next is made or the last is reported.
    pub(crate) fn to_attempt(&self, took: Duration, backoff: Option<Duration>) -> Attempt {
        Attempt {
            kind: self.kind(),
            phase: self.phase(),
            sqlstate: self.sqlstate().cloned(),
            cause: self.cause(),
            target: self.0.target.clone(),
            took,
            backoff,
            ended: Instant::now(),
        }
    }

    /// The class of the failure.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The step in which it happened, where there is one.
    pub fn phase(&self) -> Option<Phase> {
        self.0.phase
    }

    /// The SQLSTATE the server answered with, if it answered.
    pub fn sqlstate(&self) -> Option<&SqlState> {
        self.0.server.as_ref().map(|s| &s.sqlstate)
    }

    /// The server's own words, if it answered.
    pub fn server_message(&self) -> Option<&str> {
        self.0.server.as_ref().map(|s| s.message.as_str())
    }

    /// All the server said, if it answered.
    pub fn server(&self) -> Option<&ServerMessage> {
        self.0.server.as_ref()
    }

    /// Whether trying the same again is safe and may succeed: the failed operation provably had no effect, and the
    /// cause is one that passes. `false` says only that the library cannot promise it.
    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }

    /// Every failed try at opening a connection, first to last. Empty when nothing was tried.
    pub fn attempts(&self) -> &[Attempt] {
        &self.0.attempts
    }

    /// How long the failed call took, queueing and backoff included.
    pub fn elapsed(&self) -> Option<Duration> {
        self.0.elapsed
    }

    /// How the pool stood when the call failed.
    pub fn snapshot(&self) -> Option<&PoolSnapshot> {
        self.0.snapshot.as_ref()
    }

    /// The server the failure concerns, as `host:port` or a socket path.
    pub fn target(&self) -> Option<&str> {
        self.0.target.as_deref()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|s| s as &(dyn StdError + 'static))
    }
}

impl From<postgres::Error> for Error {
    /// Classifies an error of a statement that ran on a connection already established.
    fn from(error: postgres::Error) -> Self {
        classify::statement_error(error)
    }
}

/// The name that the `postgres` crate has for what a server said.
pub use self::ServerMessage as DbError;

/// A `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
