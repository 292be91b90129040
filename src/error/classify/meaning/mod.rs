//! The table of meaning: what a message of a server or pooler says about the session, the request and another try.
//!
//! The severity decides first: FATAL and PANIC end the session. A pooler's own words come next, since poolers use SQLSTATEs as
//! they like. The SQLSTATE decides the rest, never a text that servers translate. Codes were read in PostgreSQL's
//! `errcodes.txt`, `postinit.c`, `postgres.c` and `backend_startup.c`.

use super::pooler::PoolerAnswer;
use crate::error::{ErrorKind, Phase, ServerMessage, is_transaction_conflict, sqlstate};

/// The meaning of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::error) struct Meaning {
    pub(in crate::error) kind: ErrorKind,
    /// Nothing was begun, or all of it was undone, and another try may succeed.
    pub(in crate::error) retryable: bool,
}

impl Meaning {
    pub(in crate::error) fn of(said: &ServerMessage, phase: Phase) -> Self {
        if phase != Phase::Query && phase != Phase::Commit {
            return Self::at_opening(said);
        }
        if ends_the_session(said) { Self::of_ended_session(said) } else { Self::of_failed_statement(said) }
    }

    const fn passing(kind: ErrorKind) -> Self {
        Self { kind, retryable: true }
    }

    const fn lasting(kind: ErrorKind) -> Self {
        Self { kind, retryable: false }
    }

    /// A refusal to begin a session. Nothing was begun, so each is retryable whose cause passes by itself.
    fn at_opening(said: &ServerMessage) -> Self {
        if let Some(answer) = PoolerAnswer::of(said) {
            let kind = answer.kind();
            return Self { kind, retryable: answer.reached_no_server() };
        }
        let code = said.sqlstate.code();
        match code {
            sqlstate::TOO_MANY_CONNECTIONS => Self::passing(ErrorKind::ServerFull),
            sqlstate::CANNOT_CONNECT_NOW => Self::passing(ErrorKind::ServerStarting),
            _ if sqlstate::ends_by_command_or_timeout(code) => Self::passing(ErrorKind::ConnectionLost),
            _ if sqlstate::is_passing_at_opening(code) => Self::passing(ErrorKind::ServerStarting),
            _ if sqlstate::is_refused_authorization(code) => Self::lasting(ErrorKind::Auth),
            // A pooler's message in words that are not known, or a device that stands in for the server.
            _ if sqlstate::is_connection_exception(code) => Self::passing(ErrorKind::ConnectionLost),
            _ => Self::lasting(ErrorKind::Database),
        }
    }

    /// A fatal message in reply to a statement: the session is lost, whatever the code is otherwise about (40001 of a standby,
    /// 53200, XX000). Refusals to begin a session are from a pooler that had no server yet.
    fn of_ended_session(said: &ServerMessage) -> Self {
        if let Some(answer) = PoolerAnswer::of(said) {
            return Self { kind: answer.kind(), retryable: answer.reached_no_server() };
        }
        let code = said.sqlstate.code();
        match code {
            sqlstate::TOO_MANY_CONNECTIONS => Self::passing(ErrorKind::ServerFull),
            sqlstate::CANNOT_CONNECT_NOW => Self::lasting(ErrorKind::ServerStarting),
            // Sent to an idle session only, so nothing was run of what was sent meanwhile.
            sqlstate::IDLE_SESSION_TIMEOUT => Self::passing(ErrorKind::ConnectionLost),
            _ if sqlstate::is_refused_authorization(code) => Self::lasting(ErrorKind::Auth),
            _ if sqlstate::is_unknown_catalog(code) => Self::lasting(ErrorKind::Database),
            // The server rolled back what was open before it ended the session.
            _ => Self { kind: ErrorKind::ConnectionLost, retryable: is_transaction_conflict(code) },
        }
    }

    /// An error after which the session goes on: about the statement, or about another connection, such as that of a foreign
    /// table. Some poolers say in this way that they had no server for the statement.
    fn of_failed_statement(said: &ServerMessage) -> Self {
        if let Some(answer) = PoolerAnswer::of(said)
            && answer.reached_no_server()
            && sqlstate::is_pooler_checkout(said.sqlstate.code())
        {
            return Self::passing(answer.kind());
        }
        let code = said.sqlstate.code();
        match code {
            sqlstate::QUERY_CANCELED if says_statement_timeout(&said.message) => {
                Self::lasting(ErrorKind::QueryTimeout)
            }
            sqlstate::QUERY_CANCELED => Self::lasting(ErrorKind::Canceled),
            _ => Self { kind: ErrorKind::Database, retryable: is_transaction_conflict(code) },
        }
    }
}

/// Returns whether this message ends the session.
pub(crate) fn ends_the_session(said: &ServerMessage) -> bool {
    matches!(said.severity.as_str(), "FATAL" | "PANIC")
}

/// "canceling statement due to statement timeout" in the servers' languages (`src/backend/po` of PostgreSQL 15): the part
/// that differs from the text for a user's request. Both have one SQLSTATE, and come from one routine.
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

fn says_statement_timeout(message: &str) -> bool {
    let text = message.to_lowercase();
    STATEMENT_TIMEOUT.iter().any(|words| text.contains(words))
}

#[cfg(test)]
mod tests;
