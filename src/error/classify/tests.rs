//! Classification of what servers and poolers send, by code, severity, words and moment.

use super::super::LimitedBy;
use super::*;

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
        let error = Error::from_server(said("ERROR", code, message), Phase::Query);
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
