//! The lane against servers that say things in pieces, or things that no server should.

use std::io::Write;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::lane::{Lane, LaneState};
use super::request::{Param, ResultFormat};
use crate::error::ErrorKind;
use crate::link::played::Played;

/// What a server has said at the end of a start-up.
const READY: &[u8] = b"Z\0\0\0\x05I";
const DONE: &[u8] = b"C\0\0\0\x0dSELECT 1\0Z\0\0\0\x05I";
const NOTIFICATION: &[u8] = b"A\0\0\0\x13\0\0\0\x07news\0hello\0";

/// What a server says without being asked may come in pieces that end anywhere, also right behind a reply.
#[test]
fn a_message_that_has_come_in_part_does_not_keep_the_connection_from_being_used() {
    for cut in 1..NOTIFICATION.len() {
        let mut server = Played::begin(READY, false).unwrap();
        let mut state = LaneState::new(0, Arc::default());
        server.say(&[DONE, &NOTIFICATION[..cut]].concat());
        let mut lane = Lane::new(&server.link, &server.cancel, &mut state);
        lane.script("select 1").unwrap();
        assert_eq!(lane.notification(Duration::ZERO).unwrap(), None, "cut at {cut}");
        (&server.server).write_all(&[&NOTIFICATION[cut..], DONE].concat()).unwrap();
        lane.script("select 1").unwrap();
        let heard = lane.notification(Duration::ZERO).unwrap().expect("it has come");
        assert_eq!((heard.channel.as_str(), heard.payload.as_str()), ("news", "hello"));
    }
}

#[test]
fn nobody_waits_for_the_rest_of_a_notification_for_longer_than_was_said() {
    let mut server = Played::begin(READY, false).unwrap();
    let mut state = LaneState::new(0, Arc::default());
    server.say(&NOTIFICATION[..9]);
    let mut rest = server.server.try_clone().unwrap();
    let late = thread::spawn(move || {
        thread::sleep(Duration::from_secs(2));
        rest.write_all(&NOTIFICATION[9..]).unwrap();
    });
    let mut lane = Lane::new(&server.link, &server.cancel, &mut state);
    let begun = Instant::now();
    assert_eq!(lane.notification(Duration::from_millis(20)).unwrap(), None);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert!(lane.notification(Duration::from_secs(60)).unwrap().is_some(), "nothing of it was lost");
    late.join().unwrap();
}

#[test]
fn the_longest_patience_there_is_can_be_had() {
    let server = Played::begin(READY, false).unwrap();
    let mut state = LaneState::new(0, Arc::default());
    let mut later = server.server.try_clone().unwrap();
    let late = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        later.write_all(NOTIFICATION).unwrap();
    });
    let mut lane = Lane::new(&server.link, &server.cancel, &mut state);
    assert!(lane.notification(Duration::MAX).unwrap().is_some());
    late.join().unwrap();
}

/// What a server says to `Parse`, `Describe` and `Sync` of a statement with one int4 column.
const DESCRIBED: &[u8] =
    b"1\0\0\0\x04t\0\0\0\x06\0\0T\0\0\0\x1a\0\x01n\0\0\0\0\0\0\0\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0\
    Z\0\0\0\x05T";
const BOUND_IN_TRANSACTION: &[u8] = b"2\0\0\0\x04Z\0\0\0\x05T";
const IN_TRANSACTION: &[u8] = b"Z\0\0\0\x05T";

#[test]
fn a_portal_is_read_row_by_row_until_the_server_says_that_it_is_done() {
    let row = |n: u8| [&b"D\0\0\0\x0b\0\x01\0\0\0\x01"[..], &[n]].concat();
    let suspended: &[u8] = b"s\0\0\0\x04";
    let server = Played::begin(IN_TRANSACTION, false).unwrap();
    let mut state = LaneState::new(10, Arc::default());
    let mut lane = Lane::new(&server.link, &server.cancel, &mut state);
    (&server.server).write_all(&[DESCRIBED, BOUND_IN_TRANSACTION].concat()).unwrap();
    let params: &[Param<'_>] = &[];
    let portal = lane.bind_portal("p", "select n from t".into(), params, ResultFormat::Text).unwrap();
    assert_eq!((portal.columns()[0].name.as_str(), portal.statement().columns()[0].type_oid), ("n", 23));
    (&server.server).write_all(&[&row(b'1'), &row(b'2'), suspended, IN_TRANSACTION].concat()).unwrap();
    let (block, more) = lane.execute_portal(&portal, 2).unwrap();
    assert_eq!((block.rows(), block.cell(1, 0), more), (2, Some(&b"2"[..]), true));
    let done: &[u8] = b"C\0\0\0\x0dSELECT 1\0";
    (&server.server).write_all(&[&row(b'3'), done, IN_TRANSACTION].concat()).unwrap();
    let (block, more) = lane.execute_portal(&portal, 2).unwrap();
    assert_eq!((block.rows(), block.command_tag(), more), (1, "SELECT 1", false));
}

#[test]
fn a_rollback_is_sent_without_waiting_and_its_answer_skipped_without_a_cancel_request() {
    // Cancel requests are refused: one would end the connection.
    let mut server = Played::begin(IN_TRANSACTION, false).unwrap();
    let mut state = LaneState::new(0, Arc::default());
    let mut lane = Lane::new(&server.link, &server.cancel, &mut state);
    lane.send_and_leave("ROLLBACK");
    lane.end_loan();
    assert!(server.link.is_busy() && state.is_unfinished());
    assert!(!state.needs_cancel());
    let mut lane = Lane::new(&server.link, &server.cancel, &mut state);
    (&server.server).write_all(b"C\0\0\0\x0dROLLBACK\0Z\0\0\0\x05I").unwrap();
    lane.bring_to_rest().unwrap();
    assert!(server.link.is_clean() && !state.is_unfinished());
    server.say(DONE);
    assert_eq!(
        Lane::new(&server.link, &server.cancel, &mut state).script("select 1").unwrap()[0].command_tag(),
        "SELECT 1"
    );
}

#[test]
fn a_reader_that_was_leaked_is_in_the_way_of_its_own_loan_only() {
    const BOUND: &[u8] = b"1\0\0\0\x04n\0\0\0\x042\0\0\0\x04";
    let mut server = Played::begin(READY, true).unwrap();
    let mut state = LaneState::new(0, Arc::default());
    server.say(BOUND);
    let mut lane = Lane::new(&server.link, &server.cancel, &mut state);
    std::mem::forget(lane.open_stream("select 1", &[], ResultFormat::Text).unwrap());
    assert_eq!(lane.script("select 1").unwrap_err().kind(), ErrorKind::Misuse);
    lane.end_loan();
    (&server.server).write_all(DONE).unwrap();
    lane.bring_to_rest().unwrap();
    (&server.server).write_all(DONE).unwrap();
    assert!(lane.script("select 1").is_ok());
}

/// In the extended protocol the server swallows the `Sync` behind a COPY FROM STDIN while it waits for data. If it fails the copy
/// then, by a time-out for instance, it ignores everything until another one comes.
#[test]
fn a_stream_of_a_copy_that_has_failed_is_dropped_without_waiting_and_its_connection_goes_on() {
    const BOUND: &[u8] = b"1\0\0\0\x04n\0\0\0\x042\0\0\0\x04";
    const FAILED: &[u8] = b"G\0\0\0\x09\0\0\x01\0\0E\0\0\0\x1eSERROR\0VERROR\0C57014\0Mno\0\0";
    let mut server = Played::begin(READY, false).unwrap();
    let mut state = LaneState::new(0, Arc::default());
    server.say(&[BOUND, FAILED].concat());
    let mut lane = Lane::new(&server.link, &server.cancel, &mut state);
    let begun = Instant::now();
    drop(lane.stream("copy t from stdin", &[], ResultFormat::Text).unwrap());
    lane.end_loan();
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert!(!server.link.is_clean(), "a Sync has to be sent");
    (&server.server).write_all(READY).unwrap();
    (&server.server).write_all(DONE).unwrap();
    let mut lane = Lane::new(&server.link, &server.cancel, &mut state);
    assert_eq!(lane.script("select 1").unwrap()[0].command_tag(), "SELECT 1");
    assert!(server.link.is_clean());
}
