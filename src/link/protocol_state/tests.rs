//! Tests of the protocol state.

use super::*;
use crate::protocol::framing::Message;

fn sent(state: &ProtocolState, kind: u8) {
    state.sent(&Message { kind, head: &[] });
}

fn received(state: &ProtocolState, kind: u8, head: &[u8]) {
    state.received(&Message { kind, head });
}

fn started() -> ProtocolState {
    let state = ProtocolState::default();
    sent(&state, 0);
    received(&state, b'Z', b"I");
    state
}

#[test]
fn a_connection_is_clean_only_between_requests_and_outside_transactions() {
    let state = started();
    assert!(state.is_clean());
    sent(&state, b'Q');
    assert!(!state.is_clean());
    received(&state, b'Z', b"T");
    assert_eq!(state.owed(), Owed::Nothing);
    assert_eq!(state.transaction_status(), TransactionStatus::InTransaction);
    assert!(!state.is_clean());
}

#[test]
fn the_sync_that_falls_into_a_copy_is_not_waited_for() {
    let state = started();
    for kind in *b"BES" {
        sent(&state, kind);
    }
    received(&state, b'G', &[]);
    assert_eq!(state.owed(), Owed::Nothing);
    assert!(!state.is_clean(), "the copy is still open");
    for kind in *b"dcS" {
        sent(&state, kind);
    }
    assert_eq!(state.owed(), Owed::Replies);
    received(&state, b'Z', b"I");
    assert!(state.is_clean());
}

#[test]
fn a_copy_that_the_server_has_failed_is_over_only_with_another_sync() {
    let state = started();
    for kind in *b"BES" {
        sent(&state, kind);
    }
    received(&state, b'G', &[]);
    received(&state, b'E', b"SERROR\0VERROR\0C57014\0Mcanceling statement\0\0");
    assert_eq!(state.copy_in(), Some(CopyIn::Extended), "the client has to send it");
    assert!(!state.is_clean());
    for kind in *b"fS" {
        sent(&state, kind);
    }
    assert_eq!((state.copy_in(), state.owed()), (None, Owed::Replies));
    received(&state, b'Z', b"I");
    assert!(state.is_clean());
}

#[test]
fn a_copy_begun_by_a_simple_query_owes_one_reply() {
    let state = started();
    sent(&state, b'Q');
    received(&state, b'G', &[]);
    sent(&state, b'c');
    received(&state, b'Z', b"I");
    assert!(state.is_clean());
}

/// The client does not see the end of a copy that it does not feed; its next request does.
#[test]
fn a_request_sent_when_the_server_has_given_a_copy_up_is_owed_its_reply() {
    let state = started();
    sent(&state, b'Q');
    received(&state, b'G', &[]);
    // Meanwhile the server fails the copy: an error and the reply to the query are on the way.
    for kind in *b"PDS" {
        sent(&state, kind);
    }
    received(&state, b'E', b"SERROR\0VERROR\0C57014\0Mcanceling statement\0\0");
    received(&state, b'Z', b"I");
    assert_eq!(state.owed(), Owed::Replies, "that of the sync is still to come");
    received(&state, b'Z', b"I");
    assert!(state.is_clean());
}

#[test]
fn the_sqlstate_of_an_error_is_read_from_its_fields() {
    let state = started();
    received(&state, b'E', b"SFATAL\0VFATAL\0C53300\0Msorry, too many clients already\0\0");
    assert_eq!(state.last_sqlstate().as_deref(), Some("53300"));
}

#[test]
fn the_error_that_failed_a_transaction_is_distinguished_from_those_that_follow() {
    let state = started();
    let fails = |code: &[u8], then: &[u8]| {
        sent(&state, b'Q');
        received(&state, b'E', &[b"SERROR\0VERROR\0C", code, b"\0Mno\0\0"].concat());
        received(&state, b'Z', then);
    };
    fails(b"42601", b"I");
    state.forget_failure();
    assert_eq!(state.failure(), None);
    received(&state, b'Z', b"T");
    fails(b"40001", b"E");
    fails(b"25P02", b"E");
    assert_eq!(state.failure().as_deref(), Some("40001"));
    assert_eq!(state.last_sqlstate().as_deref(), Some("25P02"));
    received(&state, b'Z', b"T"); // back to a savepoint
    assert_eq!(state.failure().as_deref(), Some("40001"));
    fails(b"23505", b"E");
    assert_eq!(state.failure().as_deref(), Some("23505"));
}

#[test]
fn commands_that_remove_prepared_statements_are_noticed() {
    let state = started();
    for (tag, lost) in [
        (&b"DEALLOCATE\0"[..], Some(LostStatements::One)),
        (b"DEALLOCATE ALL\0", Some(LostStatements::All)),
        (b"DISCARD ALL\0", Some(LostStatements::All)),
        (b"DISCARD PLANS\0", None),
        (b"DELETE 1\0", None),
        (b"PREPARE\0", None),
    ] {
        received(&state, b'C', tag);
        assert_eq!(state.take_lost_statements(), lost, "{}", String::from_utf8_lossy(tag));
        assert_eq!(state.take_lost_statements(), None);
    }
    received(&state, b'C', b"DISCARD ALL\0");
    received(&state, b'C', b"DEALLOCATE\0");
    assert_eq!(state.take_lost_statements(), Some(LostStatements::All));
}

#[test]
fn a_failure_by_a_stale_statement_is_distinguished_from_later_failures() {
    let state = started();
    received(&state, b'Z', b"T");
    received(&state, b'E', b"SERROR\0VERROR\0C0A000\0Mno\0\0");
    state.note_stale_failure();
    received(&state, b'Z', b"E");
    received(&state, b'E', b"SERROR\0VERROR\0C25P02\0Mno\0\0");
    assert!(state.has_failed_stale());
    received(&state, b'Z', b"T"); // back to a savepoint
    received(&state, b'E', b"SERROR\0VERROR\0C23505\0Mno\0\0");
    assert!(!state.has_failed_stale());
    state.note_stale_failure();
    state.forget_failure();
    assert!(!state.has_failed_stale());
}

#[test]
fn only_a_fatal_error_ends_the_session() {
    let state = started();
    received(&state, b'E', b"SFEHLER\0VERROR\0C22012\0Mdivision by zero\0\0");
    assert!(!state.has_ended());
    received(&state, b'E', b"SFATAL\0VFATAL\0C57P01\0Mterminating connection\0\0");
    assert!(state.has_ended());
}
