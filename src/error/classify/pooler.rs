//! The messages of poolers, told apart by their words: they use one SQLSTATE for many things, and each its own.
//!
//! The words count only in a message that names no routine. Every error of PostgreSQL names one, also where a pooler passes it
//! on, and none of a pooler's own does. So a server's text, or a text that a caller raised, is never taken for a pooler's.

use crate::error::{ErrorKind, ServerMessage, sqlstate};

/// The meaning of a pooler's message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::error) enum PoolerAnswer {
    /// Every place is taken. The request reached no server.
    Full,
    /// The server cannot be reached at present. The request reached none.
    Away,
    /// The credentials, or the way in which they came, are refused.
    Credentials,
    /// It has no such database.
    UnknownDatabase,
    /// It does not take a parameter of the start-up packet.
    Parameter,
    /// It ended a statement that ran too long, and the session with it.
    StatementTimeout,
}

use PoolerAnswer::{Away, Credentials, Full, Parameter, StatementTimeout, UnknownDatabase};

/// Words in lower case and what they mean, first match first, with the places where they stand. Tried against the real thing:
/// PgBouncer 1.18, pgpool-II 4.3. Compared with a copy of the source or a report that quotes it: pgcat, PgDog, Odyssey, Supavisor,
/// RDS Proxy. Not yet compared: which later PgBouncer has which words. The order matters: a pooler quotes the reason behind
/// the words for an unreachable server.
const WORDS: &[(&str, PoolerAnswer)] = &[
    // RDS Proxy, "Troubleshooting for RDS Proxy" in the user guide of Amazon RDS. Its refusals of parameters have 0A000.
    ("timed-out waiting to acquire database connection", Full),
    ("maximum number of client connections to the proxy exceeded", Full),
    ("rate of connection to proxy exceeded", Full),
    ("iam authentication failed because of too many competing requests", Away),
    ("rds proxy currently doesn't support the option", Parameter),
    ("rds proxy currently doesn't support command-line options", Parameter),
    ("rds proxy has no credentials for the role", Credentials),
    ("the password that was provided for the role", Credentials),
    ("rds proxy requires tls connections", Credentials),
    ("iam is allowed only with ssl connections", Credentials),
    ("request returned an error: database", UnknownDatabase),
    // PgBouncer 1.18 to 1.25, `src/client.c`, `src/objects.c`, `src/server.c`, `src/janitor.c`; Neon and Azure run it too.
    ("client_login_timeout (server down)", Away),
    ("server login has been failing", Away),
    ("server_login_retry", Away),
    ("server login failed", Away),
    ("server connect failed", Away),
    ("cannot connect to server", Away),
    ("server dns lookup failed", Away),
    ("server is not available", Away),
    ("pgbouncer is shutting down", Away),
    ("bouncer resources exhaustion", Away),
    ("no more connections allowed", Full),
    ("client connections exceeded", Full),
    ("query_wait_timeout", Full),
    ("client_login_timeout", Full),
    ("max_client_conn", Full),
    ("unsupported startup parameter", Parameter),
    ("unsupported options startup parameter", Parameter),
    ("authentication failed", Credentials),
    ("login rejected", Credentials),
    ("no such user", Credentials),
    ("certificate name mismatch", Credentials),
    ("tls client certificate required", Credentials),
    ("tls connection required", Credentials),
    ("ssl required", Credentials),
    ("no such database", UnknownDatabase),
    ("is disabled", UnknownDatabase),
    ("query timeout", StatementTimeout),
    ("query_timeout", StatementTimeout),
    // pgcat 1.2, `src/client.rs`.
    ("could not get connection from the pool", Away),
    ("no pool configured for database", UnknownDatabase),
    ("pool statement timeout", StatementTimeout),
    // PgDog 0.1, `pgdog/src/net/messages/error_response.rs`, `pgdog/src/backend/pool/error.rs`.
    ("checkout timeout", Full),
    ("clients must connect with tls", Credentials),
    // Odyssey 1.3 to 1.5, `sources/frontend.c`, `sources/router.c`. The refusals for want of room have 53300.
    ("too many active clients", Full),
    ("failed to connect to remote server", Away),
    // pgpool-II 4.3, `src/protocol/child.c`, `src/protocol/pool_connection_pool.c`. It names file and line, and no routine.
    ("failed to create a backend connection", Away),
    ("all backend nodes are down", Away),
    ("pgpool is not accepting any new connections", Away),
    // Supavisor 2, `lib/supavisor/client_handler.ex` and `lib/supavisor/errors/`: with a name in front since 2.7.
    ("max clients reached", Full),
    ("max client connections reached", Full),
    ("unable to check out connection", Full),
    ("echeckouttimeout", Full),
    ("dbhandler exited", Away),
    ("edbhandlerexited", Away),
    ("tenant or user not found", Credentials),
];

/// Words for a full server that PostgreSQL and poolers share.
const SHARED: [&str; 2] = ["too many connections", "too many clients already"];

/// The start of pgpool-II's words for its own full house (`src/protocol/child.c`). PostgreSQL's begin with a small letter.
const PGPOOL_IS_FULL: &str = "Sorry, too many clients";

/// The same, where a name stands between the words: PgDog's `connection pool for user "a" and database "b" is down`, and without
/// the names before 0.1.4.
const POOL_IS_DOWN: (&str, &str) = ("connection pool ", " is down");

impl PoolerAnswer {
    /// Returns what a message means that a pooler made itself.
    pub(in crate::error) fn of(said: &ServerMessage) -> Option<Self> {
        if said.routine.is_some() || !is_code_of_poolers(said.sqlstate.code()) {
            return None;
        }
        let mut text = said.message.to_ascii_lowercase();
        if let Some(detail) = &said.detail {
            text.push('\n');
            text.push_str(&detail.to_ascii_lowercase());
        }
        if let Some((_, answer)) = WORDS.iter().find(|(words, _)| text.contains(words)) {
            return Some(*answer);
        }
        if SHARED.iter().any(|words| text.contains(words)) {
            return Some(Full);
        }
        (text.starts_with(POOL_IS_DOWN.0) && text.contains(POOL_IS_DOWN.1)).then_some(Away)
    }

    /// Returns whether a text is one of a full pooler, and not PostgreSQL's. Both may have the same SQLSTATE.
    pub(in crate::error) fn says_full(message: &str) -> bool {
        let text = message.to_ascii_lowercase();
        message.starts_with(PGPOOL_IS_FULL)
            || WORDS.iter().find(|(words, _)| text.contains(words)).is_some_and(|(_, answer)| *answer == Full)
    }

    pub(in crate::error) fn kind(self) -> ErrorKind {
        match self {
            Full => ErrorKind::ServerFull,
            Away => ErrorKind::ServerStarting,
            Credentials => ErrorKind::Auth,
            UnknownDatabase | Parameter => ErrorKind::Database,
            StatementTimeout => ErrorKind::QueryTimeout,
        }
    }

    /// Returns whether the request that was answered so reached no server, so that nothing was begun.
    pub(in crate::error) fn reached_no_server(self) -> bool {
        matches!(self, Full | Away)
    }
}

/// Returns whether poolers use the SQLSTATE for messages of their own.
fn is_code_of_poolers(code: &str) -> bool {
    code == sqlstate::TOO_MANY_CONNECTIONS
        || ["08", "0A000", "28000", "57", "58", "XX"].iter().any(|class| code.starts_with(class))
}

#[cfg(test)]
mod tests {
    use super::*;
    use postgres::error::SqlState;

    fn answer(code: &str, message: &str) -> Option<PoolerAnswer> {
        PoolerAnswer::of(&ServerMessage::new("FATAL", SqlState::from_code(code), message))
    }

    #[test]
    fn every_row_of_the_table_can_be_reached() {
        for (words, expected) in WORDS {
            assert_eq!(answer("08P01", words), Some(*expected), "{words}");
            assert_eq!(**words, *words.to_ascii_lowercase());
        }
    }

    #[test]
    fn the_words_of_each_pooler_have_their_meaning_in_the_code_that_it_uses() {
        for (code, words, expected) in [
            (
                "08P01",
                "server login has been failing, cached error: too many connections (server_login_retry)",
                Away,
            ),
            ("08P01", "client_login_timeout (server down)", Away),
            ("08P01", "unsupported startup parameter in options: statement_timeout", Parameter),
            ("08P01", "unsupported startup parameter: search_path", Parameter),
            ("58000", "could not get connection from the pool - AllServersDown", Away),
            ("58000", "No pool configured for database: \"a\", user: \"b\"", UnknownDatabase),
            ("58000", "checkout timeout", Full),
            ("58000", "connection pool is down", Away),
            ("58000", "connection pool for user \"a\" and database \"b\" is down", Away),
            ("08004", "Clients must connect with TLS", Credentials),
            ("53300", "odyssey: c1: too many active clients for user (pool_size for user a reached 2)", Full),
            ("08006", "odyssey: c2: failed to connect to remote server s3", Away),
            ("XX000", "MaxClientsInSessionMode: max clients reached - in Session mode", Full),
            (
                "XX000",
                "(EMAXCONNSESSION) max clients reached in session mode - max clients are limited to pool_size: 15",
                Full,
            ),
            ("XX000", "(ECHECKOUTTIMEOUT) unable to check out connection from the pool after 60000ms", Full),
            (
                "XX000",
                "(EDBHANDLEREXITED) connection to database closed. Check logs for more information",
                Away,
            ),
            ("XX000", "Tenant or user not found", Credentials),
            (
                "0A000",
                "Feature not supported: RDS Proxy currently doesn't support the option statement_timeout.",
                Parameter,
            ),
            (
                "0A000",
                "Feature not supported: RDS Proxy currently doesn't support command-line options",
                Parameter,
            ),
            ("28000", "The IAM authentication failed because of too many competing requests.", Away),
            (
                "28000",
                "The IAM authentication failed for the role a. Check the IAM token for this role.",
                Credentials,
            ),
            ("08000", "The maximum number of client connections to the proxy exceeded 100.", Full),
        ] {
            assert_eq!(answer(code, words), Some(expected), "{code} {words}");
        }
    }

    #[test]
    fn words_of_a_server_are_not_a_poolers_and_nor_are_codes_that_no_pooler_uses() {
        let mut raised = ServerMessage::new("ERROR", SqlState::from_code("XX000"), "checkout timeout");
        assert!(PoolerAnswer::of(&raised).is_some());
        raised.routine = Some("exec_stmt_raise".to_owned());
        assert_eq!(PoolerAnswer::of(&raised), None);
        for code in ["22012", "P0001", "42601", "28P01"] {
            assert_eq!(answer(code, "max clients reached"), None, "{code}");
        }
        assert_eq!(answer("XX000", "cache lookup failed for relation 4711"), None);
    }

    #[test]
    fn what_a_failed_failover_says_in_the_detail_is_read_too() {
        let mut said = ServerMessage::new("FATAL", SqlState::from_code("XX000"), "pgpool is not ready");
        assert_eq!(PoolerAnswer::of(&said), None);
        said.detail = Some("all backend nodes are down, pgpool requires at least one valid node".to_owned());
        assert_eq!(PoolerAnswer::of(&said), Some(Away));
    }
}
