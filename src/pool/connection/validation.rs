//! The outcomes of checking a connection.

use std::time::Duration;

use super::server_connection::Parked;

/// A connection parked less than this ago is checked out again without a poll of its socket. The poll costs ten times the
/// rest of the checkout, and a connection can die right after a poll as well. A checkout that lasted longer than this ends
/// with a poll. So a caller gets a dead connection only within so short a time of its death.
pub(in crate::pool) const POLL_SOCKET_AFTER: Duration = Duration::from_millis(2);

/// The outcome of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pool) enum CheckResult {
    Valid,
    /// The server is alive, but does not have the role that `target_session_attrs` asks for; why.
    WrongRole(&'static str),
    /// No answer in time, or none that makes sense.
    Dead,
}

/// The outcome of a validation before checkout.
pub(in crate::pool) enum Validation {
    Valid(Parked),
    Failed,
    /// A worker validates the connection. The caller may wait so long for it; it needs the rest of its time for opening
    /// another.
    InBackground {
        patience: Duration,
    },
}
