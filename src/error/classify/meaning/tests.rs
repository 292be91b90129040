//! Classification of what servers and poolers send, by code, severity, words and moment.

use postgres::error::SqlState;

use super::*;
use crate::error::{Error, LimitedBy};

fn said(severity: &str, code: &str, message: &str) -> ServerMessage {
    ServerMessage::new(severity, SqlState::from_code(code), message)
}

/// Returns the kind of a pooler's message in a phase, and whether it is retryable.
fn pooler(message: &str, phase: Phase) -> (ErrorKind, bool) {
    let error = Error::from_server(said("FATAL", "08P01", message), phase);
    (error.kind(), error.is_retryable())
}

#[test]
fn a_full_pooler_is_told_by_its_words() {
    for words in [
        "no more connections allowed (max_client_conn)",
        "client connections exceeded (max_db_client_connections)",
        "client connections exceeded (max_user_client_connections)",
        "query_wait_timeout",
        "client_login_timeout",
    ] {
        assert_eq!(pooler(words, Phase::Auth), (ErrorKind::ServerFull, true), "{words}");
    }
}

#[test]
fn a_pooler_without_a_server_is_told_by_its_words_whatever_it_quotes() {
    for words in [
        "server login has been failing, try again later (server_login_retry)",
        "server login has been failing, cached error: connect failed (server_login_retry)",
        "server login has been failing, cached error: too many connections for role \"app\" (server_login_retry)",
        "pgbouncer cannot connect to server",
        "server DNS lookup failed",
        "client_login_timeout (server down)",
    ] {
        assert_eq!(pooler(words, Phase::Auth), (ErrorKind::ServerStarting, true), "{words}");
    }
}

#[test]
fn who_is_turned_down_by_a_pooler_need_not_come_again() {
    for words in [
        "SASL authentication failed",
        "password authentication failed",
        "\"trust\" authentication failed",
        "certificate authentication failed",
        "unix socket login rejected",
        "no such user: app",
    ] {
        assert_eq!(pooler(words, Phase::Auth), (ErrorKind::Auth, false), "{words}");
    }
    for words in ["no such database: orders", "database \"orders\" is disabled"] {
        assert_eq!(pooler(words, Phase::Auth), (ErrorKind::Database, false), "{words}");
    }
}

/// A client that waits for a server has none that could have seen what it asked for.
#[test]
fn what_reached_no_server_may_be_tried_again_and_what_may_have_is_not() {
    assert_eq!(pooler("query_wait_timeout", Phase::Query), (ErrorKind::ServerFull, true));
    let failing = "server login has been failing, try again later (server_login_retry)";
    assert_eq!(pooler(failing, Phase::Query), (ErrorKind::ServerStarting, true));
    assert_eq!(pooler("server conn crashed?", Phase::Query), (ErrorKind::ConnectionLost, false));
    assert_eq!(pooler("query timeout", Phase::Query), (ErrorKind::QueryTimeout, false));
    let in_a_session = Error::from_server(said("FATAL", "57P03", "shutting down"), Phase::Query);
    assert!(!in_a_session.is_retryable());
}

#[test]
fn a_session_that_goes_on_is_not_lost_whatever_its_statement_was_about() {
    for (code, message) in [
        ("08001", "could not connect to server \"branch\""),
        ("08P01", "bind message supplies 1 parameters, but prepared statement \"\" requires 2"),
        ("XX000", "too many connections to the queue"),
    ] {
        let said = ServerMessage { routine: Some("elog".to_owned()), ..said("ERROR", code, message) };
        let error = Error::from_server(said, Phase::Query);
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Database, false), "{message}");
    }
    let ended = Error::from_server(said("FATAL", "57P01", "terminating connection"), Phase::Query);
    assert_eq!(ended.kind(), ErrorKind::ConnectionLost);
}

#[test]
fn a_pooler_that_says_53300_is_still_a_pooler() {
    let limit = |code, message| LimitedBy::of(&Error::from_server(said("FATAL", code, message), Phase::Auth));
    assert_eq!(limit("53300", "no more connections allowed (max_client_conn)"), Some(LimitedBy::Pooler));
    assert_eq!(limit("08P01", "no more connections allowed (max_client_conn)"), Some(LimitedBy::Pooler));
    assert_eq!(limit("53300", "Sorry, too many clients already"), Some(LimitedBy::Pooler), "pgpool-II 4.3");
    assert_eq!(limit("53300", "sorry, too many clients already"), Some(LimitedBy::Server));
    assert_eq!(limit("53300", "too many connections for role \"app\""), Some(LimitedBy::Role));
}

#[test]
fn last_words_in_reply_to_a_statement_are_a_lost_session_whatever_their_code() {
    for code in ["25P04", "40001", "53200", "58030", "XX000", "57014"] {
        let error = Error::from_server(said("FATAL", code, "gone"), Phase::Query);
        assert_eq!(error.kind(), ErrorKind::ConnectionLost, "{code}");
        assert_eq!(error.sqlstate().unwrap().code(), code);
        assert_ne!(
            Error::from_server(said("ERROR", code, "no"), Phase::Query).kind(),
            ErrorKind::ConnectionLost
        );
    }
    let idle = Error::from_server(said("FATAL", "57P05", "idle"), Phase::Query);
    assert!(idle.is_retryable(), "nothing that was sent to it was looked at");
    assert!(!Error::from_server(said("FATAL", "57P01", "shut down"), Phase::Query).is_retryable());
}

#[test]
fn a_timeout_of_the_server_is_told_in_the_languages_that_it_speaks() {
    for (message, kind) in [
        ("canceling statement due to statement timeout", ErrorKind::QueryTimeout),
        ("storniere Anfrage wegen Zeitüberschreitung der Anfrage", ErrorKind::QueryTimeout),
        ("выполнение оператора отменено из-за тайм-аута", ErrorKind::QueryTimeout),
        ("storniere Anfrage wegen Benutzeraufforderung", ErrorKind::Canceled),
        ("ユーザーからの要求により文をキャンセルしています", ErrorKind::Canceled),
    ] {
        assert_eq!(
            Error::from_server(said("ERROR", "57014", message), Phase::Query).kind(),
            kind,
            "{message}"
        );
    }
}

/// All classes of `errcodes.txt`, each with its general code, and the codes that mean something else than their class.
const CODES: [&str; 73] = [
    "00000", "01000", "02000", "03000", "08000", "08001", "08003", "08004", "08006", "08P01", "09000",
    "0A000", "0B000", "0F000", "0L000", "0P000", "0Z000", "20000", "21000", "22000", "22023", "23000",
    "23505", "24000", "25000", "25006", "25P02", "25P03", "25P04", "26000", "27000", "28000", "28P01",
    "2B000", "2D000", "2F000", "34000", "38000", "39000", "3B000", "3D000", "3F000", "40000", "40001",
    "40P01", "42000", "42501", "42601", "42704", "42P05", "44000", "53000", "53100", "53200", "53300",
    "53400", "54000", "55000", "55006", "55P02", "55P03", "57000", "57014", "57P01", "57P02", "57P03",
    "57P04", "57P05", "58000", "58030", "58P01", "XX000", "XX001",
];

fn meaning(severity: &str, code: &str, phase: Phase) -> (ErrorKind, bool) {
    let Meaning { kind, retryable } = Meaning::of(&said(severity, code, "no"), phase);
    (kind, retryable)
}

#[test]
fn at_the_start_of_a_session_each_class_is_passing_or_final() {
    for code in CODES {
        let expected = match code {
            "53300" => (ErrorKind::ServerFull, true),
            "57P03" | "57014" | "55006" | "55P03" | "58000" | "58030" => (ErrorKind::ServerStarting, true),
            "57P01" | "57P02" | "57P04" | "57P05" => (ErrorKind::ConnectionLost, true),
            _ => match &code[..2] {
                "53" | "40" => (ErrorKind::ServerStarting, true),
                "08" | "25" => (ErrorKind::ConnectionLost, true),
                "28" => (ErrorKind::Auth, false),
                _ => (ErrorKind::Database, false),
            },
        };
        for severity in ["FATAL", "ERROR", "PANIC"] {
            assert_eq!(meaning(severity, code, Phase::Auth), expected, "{severity} {code}");
        }
    }
}

#[test]
fn in_reply_to_a_statement_a_plain_error_leaves_the_session_as_it_is() {
    for code in CODES {
        let expected = match code {
            "57014" => (ErrorKind::Canceled, false),
            "40001" | "40P01" => (ErrorKind::Database, true),
            _ => (ErrorKind::Database, false),
        };
        assert_eq!(meaning("ERROR", code, Phase::Query), expected, "{code}");
    }
}

#[test]
fn in_reply_to_a_statement_a_fatal_error_is_the_loss_of_the_session() {
    for code in CODES {
        let expected = match code {
            // From a pooler that had no server yet.
            "53300" => (ErrorKind::ServerFull, true),
            "57P03" => (ErrorKind::ServerStarting, false),
            "28000" | "28P01" => (ErrorKind::Auth, false),
            "3D000" => (ErrorKind::Database, false),
            "40001" | "40P01" | "57P05" => (ErrorKind::ConnectionLost, true),
            _ => (ErrorKind::ConnectionLost, false),
        };
        for severity in ["FATAL", "PANIC"] {
            assert_eq!(meaning(severity, code, Phase::Query), expected, "{severity} {code}");
            assert_eq!(meaning(severity, code, Phase::Commit), expected, "{severity} {code}");
        }
    }
}

#[test]
fn a_pooler_that_had_no_server_for_a_statement_may_be_asked_again() {
    for (severity, code, words) in [
        ("FATAL", "58000", "could not get connection from the pool - AllServersDown"),
        ("ERROR", "58000", "checkout timeout"),
        ("ERROR", "58000", "connection pool for user \"a\" and database \"b\" is down"),
        ("FATAL", "XX000", "(ECHECKOUTTIMEOUT) unable to check out connection from the pool after 60000ms"),
        ("FATAL", "53300", "odyssey: c1: too many active clients for user (pool_size for user a reached 2)"),
    ] {
        let error = Error::from_server(said(severity, code, words), Phase::Query);
        assert!(error.is_retryable() && is_refusal(error.kind()), "{severity} {code} {words}: {error}");
    }
}

fn is_refusal(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::ServerFull | ErrorKind::ServerStarting)
}

#[test]
fn a_parameter_that_a_pooler_does_not_take_is_final_and_comes_with_advice() {
    for words in [
        "unsupported startup parameter: search_path",
        "unsupported startup parameter in options: statement_timeout",
    ] {
        let error = Error::from_server(said("FATAL", "08P01", words), Phase::Auth);
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Database, false));
        assert!(error.remedy().is_some_and(|advice| advice.contains("ignore_startup_parameters")), "{error}");
    }
}

#[test]
fn a_full_disk_at_the_start_of_a_session_passes_and_is_named() {
    let error = Error::from_server(said("FATAL", "53100", "could not write init file"), Phase::Auth);
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::ServerStarting, true));
    assert!(error.to_string().contains("disk, memory"), "{error}");
}
