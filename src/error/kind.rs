//! The two enums a program branches on: the class of a failure, and the step it happened in.

/// The class of a failure, on which a program branches.
///
/// New kinds may be added, so a `match` needs a `_` arm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The configuration cannot be used as it stands. Never retryable.
    Config,
    /// The host name could not be resolved.
    Resolve,
    /// No process listens at the address, or the listener hung up during connection set-up.
    Refused,
    /// There is no route to the host or its network.
    Unreachable,
    /// TLS could not be established as `sslmode` demands. Never retryable.
    Tls,
    /// The server refused the credentials (SQLSTATE class 28). Never retryable.
    Auth,
    /// No connection slot is left: SQLSTATE 53300 in all its texts, or a pooler's own refusal.
    ServerFull,
    /// The server cannot begin a session at present: it is starting up, shutting down or recovering (57P03), or is out of
    /// memory, disk or another resource (class 53 but for connections); or a pooler cannot reach it.
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
    /// The server answered with an error; see [`Error::sqlstate`](crate::Error::sqlstate).
    Database,
    /// The caller used the library in a way it does not allow.
    Misuse,
    /// The pool did not let the caller into its queue: as many callers wait as `max_waiting` allows, or the queue moves
    /// so slowly that the caller's deadline would pass long before its turn. Nothing was done. Retryable, but not at
    /// once: the pool is overloaded.
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

    /// All kinds, in the order of the enum: counters are kept per kind.
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
    /// Validating a pooled connection.
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
