//! The classification of failures. [`Meaning`] has the table for what a server or pooler answers.

mod meaning;
mod other_service;
mod pooler;

use std::error::Error as StdError;
use std::io;

use postgres::error::{DbError, ErrorPosition};

use meaning::Meaning;
pub(crate) use meaning::ends_the_session;
pub(crate) use other_service::is_readable;
pub(super) use pooler::PoolerAnswer;

use super::{Error, ErrorKind, LinkFault, Phase, ServerMessage};

/// Returns the kind of an operating-system error met while a connection is being opened.
pub(crate) fn io_kind(error: &io::Error) -> ErrorKind {
    use io::ErrorKind as Io;
    match error.kind() {
        Io::ConnectionRefused | Io::NotFound => ErrorKind::Refused,
        Io::HostUnreachable | Io::NetworkUnreachable | Io::NetworkDown | Io::AddrNotAvailable => {
            ErrorKind::Unreachable
        }
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
