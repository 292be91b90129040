//! Status codes.
//!
//! The result of nearly every function. 0 is success. Codes 1 to 63 are kinds of failure of the pool and the server,
//! the same as in every other binding; from 64 on they are about the call itself. Codes are never given another
//! meaning; later versions may add some, so treat an unknown one as a failure.

use super::text::{holdfast_str, literal};
use crate::error::{Error, ErrorKind, RolledBack, find_source};
use crate::ffi::capi::boundary::guard::{Failure, or_default};

/// A status code.
pub type holdfast_status = i32;

/// Success.
pub const HOLDFAST_STATUS_OK: i32 = 0;
/// The configuration cannot be used as it stands.
pub const HOLDFAST_STATUS_CONFIG: i32 = 1;
/// The host name could not be resolved.
pub const HOLDFAST_STATUS_RESOLVE: i32 = 2;
/// Nobody listens at the address, or the listener hung up during connection set-up.
pub const HOLDFAST_STATUS_REFUSED: i32 = 3;
/// There is no route to the host or its network.
pub const HOLDFAST_STATUS_UNREACHABLE: i32 = 4;
/// TLS could not be established as sslmode demands.
pub const HOLDFAST_STATUS_TLS: i32 = 5;
/// The server refused the credentials, or the password callback gave none: the latter is retryable.
pub const HOLDFAST_STATUS_AUTH: i32 = 6;
/// The server or a pooler has no connection slot left (SQLSTATE 53300 and its like).
pub const HOLDFAST_STATUS_SERVER_FULL: i32 = 7;
/// The server is starting up, shutting down or recovering (57P03).
pub const HOLDFAST_STATUS_SERVER_STARTING: i32 = 8;
/// The connection was not established within its deadline.
pub const HOLDFAST_STATUS_CONNECT_TIMEOUT: i32 = 9;
/// No connection of the pool came free within the deadline.
pub const HOLDFAST_STATUS_POOL_TIMEOUT: i32 = 10;
/// The circuit breaker refuses to open connections at present.
pub const HOLDFAST_STATUS_CIRCUIT_OPEN: i32 = 11;
/// The pool was closed.
pub const HOLDFAST_STATUS_POOL_CLOSED: i32 = 12;
/// An established connection broke.
pub const HOLDFAST_STATUS_CONNECTION_LOST: i32 = 13;
/// A statement ran past its deadline.
pub const HOLDFAST_STATUS_QUERY_TIMEOUT: i32 = 14;
/// A statement was cancelled on request.
pub const HOLDFAST_STATUS_CANCELED: i32 = 15;
/// The connection broke during COMMIT: whether it took effect is unknown.
pub const HOLDFAST_STATUS_COMMIT_UNKNOWN: i32 = 16;
/// The server answered with an error: see holdfast_error_sqlstate.
pub const HOLDFAST_STATUS_DATABASE: i32 = 17;
/// The library was used in a way it does not allow: a handle of another kind, a pool inherited by fork, ...
pub const HOLDFAST_STATUS_MISUSE: i32 = 18;
/// The pool did not let the caller into its queue: as many callers wait as max_waiting allows, or the caller's deadline
/// would pass long before its turn.
pub const HOLDFAST_STATUS_OVERLOADED: i32 = 19;
/// This process, or its machine, lacks what the call needs: descriptors, memory, threads, local ports. The server was not asked.
pub const HOLDFAST_STATUS_LOCAL_LIMIT: i32 = 20;
/// A pointer that must not be NULL is NULL.
pub const HOLDFAST_STATUS_NULL: i32 = 64;
/// A text is not UTF-8, or has a NUL where none can be.
pub const HOLDFAST_STATUS_UTF8: i32 = 65;
/// An argument has a value that is not allowed.
pub const HOLDFAST_STATUS_ARGUMENT: i32 = 66;
/// Another thread is in a call on the same object, which takes one at a time.
pub const HOLDFAST_STATUS_BUSY: i32 = 67;
/// A value cannot be read as the type asked for.
pub const HOLDFAST_STATUS_TYPE: i32 = 68;
/// The value asked for is the NULL of SQL.
pub const HOLDFAST_STATUS_IS_NULL: i32 = 69;
/// A defect in the library was caught. The connection in use was discarded.
pub const HOLDFAST_STATUS_PANIC: i32 = 70;
/// The transaction was rolled back although its COMMIT was asked for, since a statement in it had failed. A body of
/// holdfast_pool_transaction that wants its transaction rolled back returns this too. Of a statement in a pipeline: it was
/// undone or not run, because another one failed.
pub const HOLDFAST_STATUS_ROLLED_BACK: i32 = 71;
/// A queue has taken on as many requests as it may, or no thread could be started for them: drain it, and submit again.
pub const HOLDFAST_STATUS_QUEUE_FULL: i32 = 72;
/// The call would block, which is not possible inside a callback that the library made on its own account.
pub const HOLDFAST_STATUS_REENTRANT: i32 = 73;

/// The code of a kind. Written out: codes are for ever, the order of the kinds is not.
pub(in crate::ffi::capi) fn of_kind(kind: ErrorKind) -> holdfast_status {
    match kind {
        ErrorKind::Config => HOLDFAST_STATUS_CONFIG,
        ErrorKind::Resolve => HOLDFAST_STATUS_RESOLVE,
        ErrorKind::Refused => HOLDFAST_STATUS_REFUSED,
        ErrorKind::Unreachable => HOLDFAST_STATUS_UNREACHABLE,
        ErrorKind::Tls => HOLDFAST_STATUS_TLS,
        ErrorKind::Auth => HOLDFAST_STATUS_AUTH,
        ErrorKind::ServerFull => HOLDFAST_STATUS_SERVER_FULL,
        ErrorKind::ServerStarting => HOLDFAST_STATUS_SERVER_STARTING,
        ErrorKind::ConnectTimeout => HOLDFAST_STATUS_CONNECT_TIMEOUT,
        ErrorKind::PoolTimeout => HOLDFAST_STATUS_POOL_TIMEOUT,
        ErrorKind::CircuitOpen => HOLDFAST_STATUS_CIRCUIT_OPEN,
        ErrorKind::PoolClosed => HOLDFAST_STATUS_POOL_CLOSED,
        ErrorKind::ConnectionLost => HOLDFAST_STATUS_CONNECTION_LOST,
        ErrorKind::QueryTimeout => HOLDFAST_STATUS_QUERY_TIMEOUT,
        ErrorKind::Canceled => HOLDFAST_STATUS_CANCELED,
        ErrorKind::CommitUnknown => HOLDFAST_STATUS_COMMIT_UNKNOWN,
        ErrorKind::Database => HOLDFAST_STATUS_DATABASE,
        ErrorKind::Misuse => HOLDFAST_STATUS_MISUSE,
        ErrorKind::Overloaded => HOLDFAST_STATUS_OVERLOADED,
        ErrorKind::LocalLimit => HOLDFAST_STATUS_LOCAL_LIMIT,
    }
}

pub(in crate::ffi::capi) fn of_error(error: &Error) -> holdfast_status {
    if find_source::<RolledBack>(error).is_some() {
        return HOLDFAST_STATUS_ROLLED_BACK;
    }
    of_kind(error.kind())
}

pub(in crate::ffi::capi) fn of_failure(failure: &Failure) -> holdfast_status {
    match failure {
        Failure::Core(error) => of_error(error),
        Failure::Call { status, .. } | Failure::Given { status, .. } => *status,
    }
}

/// The name of a code, as text that ends in NUL.
pub(in crate::ffi::capi) fn name(status: holdfast_status) -> &'static str {
    match status {
        HOLDFAST_STATUS_OK => "ok\0",
        HOLDFAST_STATUS_NULL => "null\0",
        HOLDFAST_STATUS_UTF8 => "utf8\0",
        HOLDFAST_STATUS_ARGUMENT => "argument\0",
        HOLDFAST_STATUS_BUSY => "busy\0",
        HOLDFAST_STATUS_TYPE => "type\0",
        HOLDFAST_STATUS_IS_NULL => "is_null\0",
        HOLDFAST_STATUS_PANIC => "panic\0",
        HOLDFAST_STATUS_ROLLED_BACK => "rolled_back\0",
        HOLDFAST_STATUS_QUEUE_FULL => "queue_full\0",
        HOLDFAST_STATUS_REENTRANT => "reentrant\0",
        _ => {
            let kind = ErrorKind::ALL.iter().find(|kind| of_kind(**kind) == status);
            kind.map_or("unknown\0", |kind| kind.name_with_nul())
        }
    }
}

/// The name of a status code in snake case, such as "server_full"; "unknown" for a code that this version does not have.
/// The text is static. Any thread; does not block.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn holdfast_status_name(status: holdfast_status) -> holdfast_str {
    or_default(literal("unknown\0"), || Ok(literal(name(status))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_code_of_its_own_and_the_name_it_has_in_rust() {
        let codes: Vec<_> = ErrorKind::ALL.iter().copied().map(of_kind).collect();
        assert_eq!(codes, (1..=20).collect::<Vec<_>>());
        for &kind in ErrorKind::ALL {
            assert_eq!(name(of_kind(kind)).trim_end_matches('\0'), kind.name());
        }
    }
}
