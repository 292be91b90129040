//! Servers and poolers that refuse, in all the words they have for it.

use holdfast::{ErrorKind, Phase};

use crate::refused;
use crate::support::fake::{FakeServer, Refusal, Script};

fn kind_of(refusal: Refusal) -> (ErrorKind, bool) {
    let fake = FakeServer::start(Script::SayAtStartUp(refusal));
    let error = refused(&format!("postgresql://app@127.0.0.1:{}/orders?sslmode=disable", fake.port()));
    assert_eq!(error.phase(), Some(Phase::Auth), "{error}");
    (error.kind(), error.is_retryable())
}

#[test]
fn every_text_of_a_full_server_or_pooler_is_recognised_and_may_be_retried() {
    let full = [
        ("53300", "sorry, too many clients already"),
        ("53300", "remaining connection slots are reserved for non-replication superuser connections"),
        ("53300", "remaining connection slots are reserved for roles with the SUPERUSER attribute"),
        (
            "53300",
            "remaining connection slots are reserved for roles with privileges of the \"rds_reserved\" role",
        ),
        ("53300", "too many connections for role \"app\""),
        ("53300", "too many connections for database \"orders\""),
        ("08P01", "no more connections allowed (max_client_conn)"),
        ("08P01", "query_wait_timeout"),
        ("08P01", "client_login_timeout"),
        (
            "XX000",
            "MaxClientsInSessionMode: max clients reached - in Session mode max clients are limited to pool_size",
        ),
    ];
    for (code, text) in full {
        assert_eq!(kind_of(Refusal::fatal(code, text)), (ErrorKind::ServerFull, true), "{code} {text}");
    }
}

#[test]
fn a_server_that_is_not_ready_is_told_from_a_full_one() {
    let away = [
        ("57P03", "the database system is starting up"),
        ("57P03", "the database system is shutting down"),
        ("57P03", "the database system is not yet accepting connections"),
        ("08P01", "server login has been failing, try again later (server_login_retry)"),
        ("08P01", "pgbouncer cannot connect to server"),
        ("53100", "could not extend file: No space left on device"),
        ("53200", "out of memory"),
        ("58030", "could not read file \"global/pg_control\": Input/output error"),
        ("55P03", "canceling statement due to lock timeout"),
    ];
    for (code, text) in away {
        assert_eq!(kind_of(Refusal::fatal(code, text)), (ErrorKind::ServerStarting, true), "{code} {text}");
    }
}

#[test]
fn what_no_retry_can_mend_is_not_retried() {
    let for_good = [
        ("28P01", "password authentication failed for user \"app\"", ErrorKind::Auth),
        ("28000", "no pg_hba.conf entry for host", ErrorKind::Auth),
        ("3D000", "database \"orders\" does not exist", ErrorKind::Database),
        ("42501", "permission denied for database \"orders\"", ErrorKind::Database),
        ("08P01", "unsupported startup parameter: search_path", ErrorKind::Database),
    ];
    for (code, text, kind) in for_good {
        assert_eq!(kind_of(Refusal::fatal(code, text)), (kind, false), "{code} {text}");
    }
}

#[test]
fn a_broken_protocol_is_not_taken_for_a_full_pooler() {
    let (kind, _) = kind_of(Refusal::fatal("08P01", "invalid startup packet layout"));
    assert_eq!(kind, ErrorKind::ConnectionLost);
}

#[test]
fn a_server_of_something_else_yields_an_error_and_no_hang() {
    for (script, url) in [
        (Script::SayBytes(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()), "sslmode=require"),
        (Script::SayBytes(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()), "sslmode=disable"),
        (Script::SayBytes(b"Z\0\0\0\x01".to_vec()), "sslmode=disable"),
        (Script::HangUp, "sslmode=disable"),
        (Script::HangUp, "sslmode=prefer"),
        (Script::HangUp, "sslmode=require"),
    ] {
        let fake = FakeServer::start(script.clone());
        let error = refused(&format!("postgresql://app@127.0.0.1:{}/orders?{url}", fake.port()));
        assert!(
            matches!(error.kind(), ErrorKind::Tls | ErrorKind::Auth | ErrorKind::ConnectionLost),
            "{script:?} with {url}: {error}"
        );
    }
}
