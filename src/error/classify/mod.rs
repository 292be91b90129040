//! The classification of failures. [`Meaning`] has the table for what a server or pooler answers.

mod meaning;
mod other_service;
mod pooler;

use std::error::Error as StdError;
use std::io;

use postgres::error::{DbError, ErrorPosition};
use rustix::io::Errno;

use meaning::Meaning;
pub(crate) use meaning::ends_the_session;
pub(crate) use other_service::is_readable;
pub(super) use pooler::PoolerAnswer;

use super::{Error, ErrorKind, LinkFault, Phase, ServerMessage};

/// Returns whether an operating-system error says that this process, or its machine, lacks descriptors or memory.
pub(crate) fn is_local_limit(error: &io::Error) -> bool {
    const LACKING: [Errno; 4] = [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::NOBUFS];
    error.kind() == io::ErrorKind::OutOfMemory
        || error.raw_os_error().is_some_and(|number| LACKING.iter().any(|e| e.raw_os_error() == number))
}

/// Returns the kind of an operating-system error met while a connection is being opened.
pub(crate) fn io_kind(error: &io::Error) -> ErrorKind {
    use io::ErrorKind as Io;
    match error.kind() {
        _ if is_local_limit(error) => ErrorKind::LocalLimit,
        // No local port is left, or the machine has no address of the family.
        Io::AddrNotAvailable => ErrorKind::LocalLimit,
        Io::ConnectionRefused | Io::NotFound => ErrorKind::Refused,
        Io::HostUnreachable | Io::NetworkUnreachable | Io::NetworkDown => ErrorKind::Unreachable,
        Io::TimedOut => ErrorKind::ConnectTimeout,
        Io::PermissionDenied => ErrorKind::Unreachable,
        _ => ErrorKind::ConnectionLost,
    }
}

/// Returns whether a failure to open a connection may pass by itself, so that a retry may help.
pub(crate) fn is_connection_failure(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Resolve
            | ErrorKind::Refused
            | ErrorKind::Unreachable
            | ErrorKind::ServerFull
            | ErrorKind::ServerStarting
            | ErrorKind::ConnectTimeout
            | ErrorKind::ConnectionLost
            | ErrorKind::LocalLimit
    )
}

/// Returns whether a call may be retried that failed with this kind before anything was sent to a server.
pub(super) fn retryable_by_kind(kind: ErrorKind) -> bool {
    is_connection_failure(kind) && kind != ErrorKind::ConnectionLost
        || matches!(kind, ErrorKind::PoolTimeout | ErrorKind::CircuitOpen | ErrorKind::Overloaded)
}

fn server_message(db: &DbError) -> ServerMessage {
    let text = |field: Option<&str>| field.map(str::to_owned);
    let (position, internal_position, internal_query) = match db.position() {
        Some(ErrorPosition::Original(at)) => (Some(at.to_string()), None, None),
        Some(ErrorPosition::Internal { position, query }) => {
            (None, Some(position.to_string()), Some(query.clone()))
        }
        None => (None, None, None),
    };
    ServerMessage {
        severity: db.parsed_severity().map_or_else(|| db.severity().to_owned(), |s| s.to_string()),
        sqlstate: db.code().clone(),
        message: db.message().to_owned(),
        detail: text(db.detail()),
        hint: text(db.hint()),
        position,
        internal_position,
        internal_query,
        context: text(db.where_()),
        schema: text(db.schema()),
        table: text(db.table()),
        column: text(db.column()),
        data_type: text(db.datatype()),
        constraint: text(db.constraint()),
        file: text(db.file()),
        line: db.line().map(|n| n.to_string()),
        routine: text(db.routine()),
    }
}

impl Error {
    /// Classifies the server's answer by its content and its phase.
    pub(crate) fn from_server(server: ServerMessage, phase: Phase) -> Self {
        let Meaning { kind, retryable } = Meaning::of(&server, phase);
        Error::new(kind, "the server refused")
            .in_phase(phase)
            .with_server_message(server)
            .set_retryable(retryable)
    }

    /// Makes an error of the kind `otherwise`, unless its cause is that this process is at a limit.
    pub(crate) fn from_local_io(cause: io::Error, otherwise: ErrorKind, message: impl Into<String>) -> Self {
        let kind = if is_local_limit(&cause) { ErrorKind::LocalLimit } else { otherwise };
        Error::new(kind, message).with_source(cause)
    }

    /// Makes the error of a call for which the system gave no thread.
    pub(crate) fn no_thread(cause: io::Error, message: impl Into<String>) -> Self {
        Error::new(ErrorKind::LocalLimit, message).with_source(cause)
    }

    /// Makes the error of a statement whose result does not fit into memory.
    pub(crate) fn no_memory(message: impl Into<String>) -> Self {
        let cause = io::Error::from_raw_os_error(Errno::NOMEM.raw_os_error());
        Error::new(ErrorKind::LocalLimit, message)
            .in_phase(Phase::Query)
            .set_retryable(false)
            .with_source(cause)
    }

    /// Classifies an operating-system error met while opening a connection; `doing` adds what the phase does not tell.
    pub(crate) fn from_connect_io(error: io::Error, phase: Phase, doing: &str) -> Self {
        let kind = io_kind(&error);
        let retryable = is_connection_failure(kind) && error.kind() != io::ErrorKind::PermissionDenied;
        let message = if doing.is_empty() { error.to_string() } else { format!("{doing}: {error}") };
        Error::new(kind, message).in_phase(phase).set_retryable(retryable).with_source(error)
    }
}

/// Classifies the failure of a statement on an established connection.
pub(super) fn statement_error(error: postgres::Error) -> Error {
    if let Some(db) = error.as_db_error() {
        let server = server_message(db);
        return Error::from_server(server, Phase::Query).with_source(error);
    }
    let fault = find_source::<LinkFault>(&error).copied();
    let io = find_source::<io::Error>(&error).map(io::Error::to_string);
    let base = match (fault, io) {
        (Some(LinkFault::DeadlinePassed), _) => Error::new(
            ErrorKind::QueryTimeout,
            "the statement ran past its deadline; the connection was given up and the server asked to cancel",
        ),
        (Some(LinkFault::OutOfMemory), _) => return Error::no_memory(LinkFault::OutOfMemory.to_string()),
        (Some(fault), _) => Error::new(ErrorKind::ConnectionLost, fault.to_string()),
        (None, Some(io)) => Error::new(ErrorKind::ConnectionLost, io),
        (None, None) if error.is_closed() => {
            Error::new(ErrorKind::ConnectionLost, "the server closed the connection")
        }
        (None, None) => return misuse_or_protocol(error),
    };
    base.in_phase(Phase::Query).set_retryable(false).with_source(error)
}

/// Classifies the rest: misuse by the caller (wrong parameter count or type, `query_one` without a row), or a broken
/// protocol.
fn misuse_or_protocol(error: postgres::Error) -> Error {
    let cause = StdError::source(&error).map(|s| format!(": {s}")).unwrap_or_default();
    Error::new(ErrorKind::Misuse, format!("{error}{cause}")).in_phase(Phase::Query).with_source(error)
}

/// Finds an error of type `T` in the chain of causes, also inside an `io::Error`.
pub(crate) fn find_source<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut current = Some(error);
    while let Some(e) = current {
        if let Some(found) = e.downcast_ref::<T>() {
            return Some(found);
        }
        if let Some(inner) = e.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            let inner: &(dyn StdError + 'static) = inner;
            if let Some(found) = find_source::<T>(inner) {
                return Some(found);
            }
        }
        current = e.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_process_lacks_is_told_from_what_the_network_says() {
        let of = |errno: Errno| Error::from_connect_io(errno.into(), Phase::Connect, "");
        for errno in [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::NOBUFS, Errno::ADDRNOTAVAIL] {
            let error = of(errno);
            assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::LocalLimit, true), "{error}");
            let cause = find_source::<io::Error>(&error).and_then(io::Error::raw_os_error);
            assert_eq!(cause, Some(errno.raw_os_error()));
        }
        assert_eq!(of(Errno::CONNREFUSED).kind(), ErrorKind::Refused);
        assert_eq!(of(Errno::NETUNREACH).kind(), ErrorKind::Unreachable);
        assert_eq!(of(Errno::CONNRESET).kind(), ErrorKind::ConnectionLost);
        let unreadable = Error::from_local_io(Errno::ACCESS.into(), ErrorKind::Tls, "no certificate");
        assert_eq!((unreadable.kind(), unreadable.is_retryable()), (ErrorKind::Tls, false));
    }
}
