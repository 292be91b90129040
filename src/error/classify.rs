//! The classification of failures. Texts and codes were read in PostgreSQL's `errcodes.txt`, `postinit.c`,
//! `backend_startup.c` and PgBouncer's `src/client.c`, `src/objects.c` and `src/janitor.c`.

use std::error::Error as StdError;
use std::io;

use postgres::error::{DbError, ErrorPosition, SqlState};

use super::{Error, ErrorKind, LinkFault, Phase, ServerMessage, is_transaction_conflict, sqlstate};

/// Refusals for which poolers use a SQLSTATE of their own choice (PgBouncer: 08P01 for nearly everything), so that only
/// the text distinguishes a full pooler from a broken protocol.
const POOLER_FULL: [&str; 6] = [
    "no more connections allowed", // PgBouncer: max_client_conn
    "client connections exceeded", // PgBouncer: max_db_client_connections, max_user_client_connections
    "query_wait_timeout",          // PgBouncer: waited too long for a server connection
    "max_client_conn",
    "max clients reached", // Supavisor, "MaxClientsInSessionMode: max clients reached"
    "client_login_timeout",
];
/// The same, in words that PostgreSQL uses too.
const FULL: &str = "too many connections";

/// Texts of a pooler that cannot reach its server just now, which passes as 57P03 does.
const POOLER_SERVER_AWAY: [&str; 8] = [
    "server login has been failing",
    "server_login_retry",
    "server connect failed",
    "cannot connect to server",
    "pgbouncer is shutting down",
    "server is not available",
    "server dns lookup failed",
    "client_login_timeout (server down)",
];

/// Texts with which a pooler refuses the credentials: no retry helps.
const POOLER_REFUSES: [&str; 6] = [
    "authentication failed", // PgBouncer: "SASL ...", "\"trust\" ...", "certificate ...", "PAM ...", "password ..."
    "login rejected",
    "no such user",
    "certificate name mismatch",
    "tls client certificate required",
    "tls connection required",
];
const POOLER_KNOWS_NO_DATABASE: [&str; 2] = ["no such database", "is disabled"];
/// PgBouncer's `query_timeout`: it ends the session.
const POOLER_ENDED_STATEMENT: [&str; 2] = ["query timeout", "query_timeout"];

/// "canceling statement due to statement timeout" in the servers' languages (`src/backend/po` of PostgreSQL 15): the
/// part that differs from the text for a user's request. Both have one SQLSTATE, and come from one routine.
const STATEMENT_TIMEOUT: [&str; 11] = [
    "statement timeout",
    "zeitüberschreitung",
    "tiempo de espera de sentencias",
    "délai écoulé",
    "a causa di timeout",
    "ステートメントのタイムアウト",
    "명령실행시간 초과",
    "из-за тайм-аута",
    "sats-timeout",
    "через тайм-аут",
    "语句执行超时",
];

/// Returns the kind of an error that a server or pooler answered with.
pub(crate) fn kind_of_server_error(state: &SqlState, message: &str) -> ErrorKind {
    let code = state.code();
    match code {
        sqlstate::TOO_MANY_CONNECTIONS => return ErrorKind::ServerFull,
        sqlstate::CANNOT_CONNECT_NOW => return ErrorKind::ServerStarting,
        sqlstate::QUERY_CANCELED if says(message, &STATEMENT_TIMEOUT) => return ErrorKind::QueryTimeout,
        sqlstate::QUERY_CANCELED => return ErrorKind::Canceled,
        // Administrator's or idle-timeout termination: the session is gone.
        sqlstate::ADMIN_SHUTDOWN
        | sqlstate::CRASH_SHUTDOWN
        | sqlstate::DATABASE_DROPPED
        | sqlstate::IDLE_SESSION_TIMEOUT
        | sqlstate::IDLE_IN_TRANSACTION_SESSION_TIMEOUT => return ErrorKind::ConnectionLost,
        _ => {}
    }
    if code.starts_with("28") {
        return ErrorKind::Auth;
    }
    if let Some(kind) = kind_by_words_of_a_pooler(code, message) {
        return kind;
    }
    if code.starts_with("08") {
        return ErrorKind::ConnectionLost;
    }
    ErrorKind::Database
}

fn kind_by_words_of_a_pooler(code: &str, message: &str) -> Option<ErrorKind> {
    let away = || says(message, &POOLER_SERVER_AWAY).then_some(ErrorKind::ServerStarting);
    let is_full = || says(message, &POOLER_FULL) || says(message, &[FULL]);
    let full = || is_full().then_some(ErrorKind::ServerFull);
    match code {
        // These come first: a pooler quotes the reason behind the words for an unreachable server.
        sqlstate::PROTOCOL_VIOLATION => away().or_else(full).or_else(|| {
            let others = [
                (&POOLER_REFUSES[..], ErrorKind::Auth),
                (&POOLER_KNOWS_NO_DATABASE[..], ErrorKind::Database),
                (&POOLER_ENDED_STATEMENT[..], ErrorKind::QueryTimeout),
            ];
            others.into_iter().find(|(known, _)| says(message, known)).map(|(_, kind)| kind)
        }),
        sqlstate::INTERNAL_ERROR | sqlstate::SYSTEM_ERROR => away().or_else(full),
        _ => None,
    }
}

/// Returns whether a text contains one of these.
fn says(message: &str, known: &[&str]) -> bool {
    let text = message.to_ascii_lowercase();
    known.iter().any(|words| text.contains(words))
}

/// Returns whether the refusal for want of room is a pooler's: by its SQLSTATE, or by its words where it uses
/// PostgreSQL's code.
pub(super) fn is_full_pooler(said: &ServerMessage) -> bool {
    said.sqlstate.code() != sqlstate::TOO_MANY_CONNECTIONS || says(&said.message, &POOLER_FULL)
}

/// Returns whether a pooler turned a client away before it had a server, so that the request reached none.
fn reached_no_server(said: &ServerMessage) -> bool {
    let kind = || kind_by_words_of_a_pooler(sqlstate::PROTOCOL_VIOLATION, &said.message);
    said.sqlstate.code() == sqlstate::PROTOCOL_VIOLATION
        && said.severity == "FATAL"
        && matches!(kind(), Some(ErrorKind::ServerFull | ErrorKind::ServerStarting))
}

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

/// Returns whether this message ends the session.
pub(crate) fn ends_the_session(said: &ServerMessage) -> bool {
    matches!(said.severity.as_str(), "FATAL" | "PANIC")
}

/// Returns whether a fatal message of this kind, in reply to a statement, means only that the session is lost. Codes
/// that are otherwise about a statement (40001 of a standby, 53200, XX000) concern the session here. A pooler's texts,
/// and refusals to begin a session, mean more.
fn is_loss(kind: ErrorKind, code: &str) -> bool {
    code == sqlstate::QUERY_CANCELED
        || kind == ErrorKind::Database && code != sqlstate::PROTOCOL_VIOLATION && !code.starts_with("3D")
}

impl Error {
    /// Classifies the server's answer by its content and its phase.
    pub(crate) fn from_server(server: ServerMessage, phase: Phase) -> Self {
        let mut kind = kind_of_server_error(&server.sqlstate, &server.message);
        let code = server.sqlstate.code();
        let conflict = is_transaction_conflict(code);
        let opening = phase != Phase::Query && phase != Phase::Commit;
        let ended = !opening && ends_the_session(&server);
        if ended && is_loss(kind, code) {
            kind = ErrorKind::ConnectionLost;
        }
        if !opening && is_connection_failure(kind) && server.severity == "ERROR" {
            // The session goes on: the message is about another connection, such as that of a foreign table.
            kind = ErrorKind::Database;
        }
        // The server sends this to an idle session only, so it ran nothing that was sent meanwhile.
        let was_idle = ended && code == sqlstate::IDLE_SESSION_TIMEOUT;
        let retryable =
            conflict || was_idle || is_connection_failure(kind) && (opening || reached_no_server(&server));
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

#[cfg(test)]
mod tests;
