//! The two enums a program branches on: the class of a failure, and the step it happened in.

use crate::named_enum::named_enum;

named_enum! {
    /// The class of a failure, on which a program branches.
    ///
    /// New kinds may be added, so a `match` needs a `_` arm.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    #[non_exhaustive]
    pub enum ErrorKind {
        /// The configuration cannot be used as it stands. Never retryable.
        Config = 1 "config",
        /// The host name could not be resolved.
        Resolve = 2 "resolve",
        /// No process listens at the address, or the listener hung up during connection set-up.
        Refused = 3 "refused",
        /// There is no route to the host or its network.
        Unreachable = 4 "unreachable",
        /// TLS could not be established as `sslmode` demands. Never retryable.
        Tls = 5 "tls",
        /// The server refused the credentials (SQLSTATE class 28), or the program's password callback gave none. Retryable in the
        /// second case only.
        Auth = 6 "auth",
        /// No connection slot is left: SQLSTATE 53300 in all its texts, or a pooler's own refusal.
        ServerFull = 7 "server_full",
        /// The server cannot begin a session at present: it is starting up, shutting down or recovering (57P03), or is out
        /// of memory, disk or another resource (class 53 but for connections); or a pooler cannot reach it.
        ServerStarting = 8 "server_starting",
        /// The connection was not established within its deadline.
        ConnectTimeout = 9 "connect_timeout",
        /// No connection of the pool came free within the deadline.
        PoolTimeout = 10 "pool_timeout",
        /// The circuit breaker refuses to open connections at present.
        CircuitOpen = 11 "circuit_open",
        /// The pool was closed.
        PoolClosed = 12 "pool_closed",
        /// An established connection broke.
        ConnectionLost = 13 "connection_lost",
        /// A statement ran past its deadline.
        QueryTimeout = 14 "query_timeout",
        /// A statement was cancelled on request.
        Canceled = 15 "canceled",
        /// The connection broke while `COMMIT` was under way: whether it took effect is unknown.
        CommitUnknown = 16 "commit_unknown",
        /// The server answered with an error; see [`Error::sqlstate`](crate::Error::sqlstate).
        Database = 17 "database",
        /// The caller used the library in a way it does not allow: with a handle of another kind, in a child of the process that
        /// opened the pool, ...
        Misuse = 18 "misuse",
        /// The pool did not let the caller into its queue: as many callers wait as `max_waiting` allows, or the queue moves
        /// so slowly that the caller's deadline would pass long before its turn. Nothing was done. Retryable, but not at
        /// once: the pool is overloaded.
        Overloaded = 19 "overloaded",
        /// This process, or its machine, lacks what the call needs: descriptors, memory, threads, local ports. The server was not
        /// asked, and is not taken to be out of reach. Retryable where a connection was to be opened.
        ///
        /// The system's own error is in the chain of causes, as an [`io::Error`](std::io::Error).
        LocalLimit = 20 "local_limit",
    }
}

named_enum! {
    /// The step of a connection's life in which a failure happened.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    #[non_exhaustive]
    pub enum Phase {
        /// Reading options, URLs, environment, password and service files.
        Config "config",
        /// Waiting in the pool's queue.
        Queue "queue",
        /// Resolving the host name.
        Resolve "resolve",
        /// Establishing the TCP or Unix-domain connection.
        Connect "connect",
        /// Asking for TLS and shaking hands.
        Tls "tls",
        /// Start-up packet, authentication and session start, up to the first `ReadyForQuery`.
        Auth "auth",
        /// Checking that the server has the role that `target_session_attrs` asks for.
        Role "role",
        /// Running the program's `on_connect` on a new session.
        Setup "setup",
        /// Validating a pooled connection.
        Validate "validate",
        /// Running a statement.
        Query "query",
        /// Committing a transaction.
        Commit "commit",
        /// Closing a connection or the pool.
        Close "close",
    }
}
