//! Raw sessions against servers that send messages in pieces, or messages that no server should send.

use std::io::{Read, Write};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::exchange::request::{Param, Request, ResultFormat};
use super::raw_session::{RawSession, SessionState};
use super::statements::mode::StatementMode;
use super::statements::pipeline::PipelineMode;
use crate::error::ErrorKind;
use crate::link::scripted_server::ScriptedServer;

/// The server's messages at the end of a start-up.
const READY: &[u8] = b"Z\0\0\0\x05I";
const DONE: &[u8] = b"C\0\0\0\x0dSELECT 1\0Z\0\0\0\x05I";
const NOTIFICATION: &[u8] = b"A\0\0\0\x13\0\0\0\x07news\0hello\0";

/// Unasked messages may come in pieces that end anywhere, also right behind a reply.
#[test]
fn a_message_that_has_come_in_part_does_not_keep_the_connection_from_being_used() {
    for cut in 1..NOTIFICATION.len() {
        let mut server = ScriptedServer::begin(READY, false).unwrap();
        let mut state = SessionState::new(0, Arc::default());
        server.say(&[DONE, &NOTIFICATION[..cut]].concat());
        let mut raw = RawSession::new(&server.link, &server.cancel, &mut state);
        raw.script("select 1").unwrap();
        assert_eq!(raw.notification(Duration::ZERO).unwrap(), None, "cut at {cut}");
        (&server.server).write_all(&[&NOTIFICATION[cut..], DONE].concat()).unwrap();
        raw.script("select 1").unwrap();
        let heard = raw.notification(Duration::ZERO).unwrap().expect("it has come");
        assert_eq!((heard.channel.as_str(), heard.payload.as_str()), ("news", "hello"));
    }
}

#[test]
fn the_wait_for_the_rest_of_a_notification_ends_at_the_timeout() {
    let mut server = ScriptedServer::begin(READY, false).unwrap();
    let mut state = SessionState::new(0, Arc::default());
    server.say(&NOTIFICATION[..9]);
    let mut rest = server.server.try_clone().unwrap();
    let late = thread::spawn(move || {
        thread::sleep(Duration::from_secs(2));
        rest.write_all(&NOTIFICATION[9..]).unwrap();
    });
    let mut raw = RawSession::new(&server.link, &server.cancel, &mut state);
    let begun = Instant::now();
    assert_eq!(raw.notification(Duration::from_millis(20)).unwrap(), None);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert!(raw.notification(Duration::from_secs(60)).unwrap().is_some(), "nothing of it was lost");
    late.join().unwrap();
}

#[test]
fn the_longest_patience_there_is_can_be_had() {
    let server = ScriptedServer::begin(READY, false).unwrap();
    let mut state = SessionState::new(0, Arc::default());
    let mut later = server.server.try_clone().unwrap();
    let late = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        later.write_all(NOTIFICATION).unwrap();
    });
    let mut raw = RawSession::new(&server.link, &server.cancel, &mut state);
    assert!(raw.notification(Duration::MAX).unwrap().is_some());
    late.join().unwrap();
}

/// The server's reply to `Parse`, `Describe` and `Sync` of a statement with one int4 column.
const DESCRIBED: &[u8] =
    b"1\0\0\0\x04t\0\0\0\x06\0\0T\0\0\0\x1a\0\x01n\0\0\0\0\0\0\0\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0\
    Z\0\0\0\x05T";
const BOUND_IN_TRANSACTION: &[u8] = b"2\0\0\0\x04Z\0\0\0\x05T";
const IN_TRANSACTION: &[u8] = b"Z\0\0\0\x05T";

#[test]
fn a_portal_is_read_row_by_row_until_the_server_reports_its_end() {
    let row = |n: u8| [&b"D\0\0\0\x0b\0\x01\0\0\0\x01"[..], &[n]].concat();
    let suspended: &[u8] = b"s\0\0\0\x04";
    let server = ScriptedServer::begin(IN_TRANSACTION, false).unwrap();
    let mut state = SessionState::new(10, Arc::default());
    let mut raw = RawSession::new(&server.link, &server.cancel, &mut state);
    (&server.server).write_all(&[DESCRIBED, BOUND_IN_TRANSACTION].concat()).unwrap();
    let params: &[Param<'_>] = &[];
    let portal = raw.bind_portal("p", "select n from t".into(), params, ResultFormat::Text).unwrap();
    assert_eq!((portal.columns()[0].name.as_str(), portal.statement().columns()[0].type_oid), ("n", 23));
    (&server.server).write_all(&[&row(b'1'), &row(b'2'), suspended, IN_TRANSACTION].concat()).unwrap();
    let (block, more) = raw.execute_portal(&portal, 2).unwrap();
    assert_eq!((block.rows(), block.cell(1, 0), more), (2, Some(&b"2"[..]), true));
    let done: &[u8] = b"C\0\0\0\x0dSELECT 1\0";
    (&server.server).write_all(&[&row(b'3'), done, IN_TRANSACTION].concat()).unwrap();
    let (block, more) = raw.execute_portal(&portal, 2).unwrap();
    assert_eq!((block.rows(), block.command_tag(), more), (1, "SELECT 1", false));
}

#[test]
fn a_rollback_is_sent_without_waiting_and_its_answer_skipped_without_a_cancel_request() {
    // Cancel requests are refused: one would end the connection.
    let mut server = ScriptedServer::begin(IN_TRANSACTION, false).unwrap();
    let mut state = SessionState::new(0, Arc::default());
    let mut raw = RawSession::new(&server.link, &server.cancel, &mut state);
    raw.send_and_leave("ROLLBACK");
    raw.end_checkout();
    assert!(server.link.is_busy() && state.is_unfinished());
    assert!(!state.needs_cancel());
    let mut raw = RawSession::new(&server.link, &server.cancel, &mut state);
    (&server.server).write_all(b"C\0\0\0\x0dROLLBACK\0Z\0\0\0\x05I").unwrap();
    raw.bring_to_rest().unwrap();
    assert!(server.link.is_clean() && !state.is_unfinished());
    server.say(DONE);
    assert_eq!(
        RawSession::new(&server.link, &server.cancel, &mut state).script("select 1").unwrap()[0]
            .command_tag(),
        "SELECT 1"
    );
}

#[test]
fn a_reader_that_was_leaked_is_in_the_way_of_its_own_checkout_only() {
    const BOUND: &[u8] = b"1\0\0\0\x04n\0\0\0\x042\0\0\0\x04";
    let mut server = ScriptedServer::begin(READY, true).unwrap();
    let mut state = SessionState::new(0, Arc::default());
    server.say(BOUND);
    let mut raw = RawSession::new(&server.link, &server.cancel, &mut state);
    std::mem::forget(raw.open_stream("select 1", &[], ResultFormat::Text).unwrap());
    assert_eq!(raw.script("select 1").unwrap_err().kind(), ErrorKind::Misuse);
    raw.end_checkout();
    (&server.server).write_all(DONE).unwrap();
    raw.bring_to_rest().unwrap();
    (&server.server).write_all(DONE).unwrap();
    assert!(raw.script("select 1").is_ok());
}

/// In the extended protocol the server discards the `Sync` behind a COPY FROM STDIN while it waits for data. If it fails the
/// copy then, by a time-out for instance, it ignores everything until another `Sync` comes.
#[test]
fn a_stream_of_a_copy_that_has_failed_is_dropped_without_waiting_and_its_connection_goes_on() {
    const BOUND: &[u8] = b"1\0\0\0\x04n\0\0\0\x042\0\0\0\x04";
    const FAILED: &[u8] = b"G\0\0\0\x09\0\0\x01\0\0E\0\0\0\x1eSERROR\0VERROR\0C57014\0Mno\0\0";
    let mut server = ScriptedServer::begin(READY, false).unwrap();
    let mut state = SessionState::new(0, Arc::default());
    server.say(&[BOUND, FAILED].concat());
    let mut raw = RawSession::new(&server.link, &server.cancel, &mut state);
    let begun = Instant::now();
    drop(raw.stream("copy t from stdin", &[], ResultFormat::Text).unwrap());
    raw.end_checkout();
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert!(!server.link.is_clean(), "a Sync has to be sent");
    (&server.server).write_all(READY).unwrap();
    (&server.server).write_all(DONE).unwrap();
    let mut raw = RawSession::new(&server.link, &server.cancel, &mut state);
    assert_eq!(raw.script("select 1").unwrap()[0].command_tag(), "SELECT 1");
    assert!(server.link.is_clean());
}

/// An error as a server with `lc_messages=de_DE.UTF-8` words it.
fn german(code: &str, routine: &str) -> Vec<u8> {
    let body = format!("SFEHLER\0VERROR\0C{code}\0Mein Satz auf Deutsch\0R{routine}\0\0");
    [&b"E"[..], &(body.len() as u32 + 4).to_be_bytes(), body.as_bytes()].concat()
}

const DESCRIBED_AT_REST: &[u8] = b"3\0\0\0\x041\0\0\0\x04t\0\0\0\x06\0\0\
    T\0\0\0\x1a\0\x01n\0\0\0\0\0\0\0\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0Z\0\0\0\x05I";
const ANSWERED: &[u8] = b"2\0\0\0\x04D\0\0\0\x0b\0\x01\0\0\0\x017C\0\0\0\x0dSELECT 1\0Z\0\0\0\x05I";

/// Sends the reply once the server has received bytes with this ending.
fn say_in_turn(server: &ScriptedServer, turns: Vec<Vec<u8>>) -> thread::JoinHandle<Vec<Vec<u8>>> {
    let mut other_end = server.server.try_clone().unwrap();
    other_end.set_nonblocking(false).unwrap();
    thread::spawn(move || {
        let mut heard = Vec::new();
        for words in turns {
            let mut request = vec![0; 4096];
            let length = other_end.read(&mut request).unwrap();
            request.truncate(length);
            heard.push(request);
            other_end.write_all(&words).unwrap();
        }
        heard
    })
}

fn has(request: &[u8], kind: u8, name: &[u8]) -> bool {
    let mut rest = request;
    while let Some((header, _)) = rest.split_first_chunk::<5>() {
        let [own, a, b, c, d] = *header;
        let (message, after) = rest.split_at(u32::from_be_bytes([a, b, c, d]) as usize + 1);
        if own == kind && message.windows(name.len()).any(|part| part == name) {
            return true;
        }
        rest = after;
    }
    false
}

#[test]
fn a_stale_statement_is_prepared_anew_whatever_language_the_server_speaks() {
    for (code, routine) in [
        ("0A000", "RevalidateCachedQuery"),
        ("26000", "FetchPreparedStatement"),
        ("42703", "errorMissingColumn"),
    ] {
        let server = ScriptedServer::begin(READY, false).unwrap();
        let mut state = SessionState::new(10, Arc::default());
        let stale = [german(code, routine), READY.to_vec()].concat();
        let unnamed = [b"1\0\0\0\x04", &DESCRIBED_AT_REST[10..]].concat();
        // Statements after a 26000 have no name any more.
        let anew = if code == "26000" { unnamed } else { DESCRIBED_AT_REST.to_vec() };
        let again = if code == "26000" {
            let bound =
                b"1\0\0\0\x042\0\0\0\x04T\0\0\0\x1a\0\x01n\0\0\0\0\0\0\0\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0";
            [bound, &ANSWERED[5..]].concat()
        } else {
            ANSWERED.to_vec()
        };
        let turns = vec![DESCRIBED_AT_REST.to_vec(), ANSWERED.to_vec(), stale, anew, again];
        let played = say_in_turn(&server, turns);
        let mut raw = RawSession::new(&server.link, &server.cancel, &mut state);
        for _ in 0..2 {
            let block = raw.query("select n from t", &[], ResultFormat::Text).unwrap();
            assert_eq!(block.cell(0, 0), Some(&b"7"[..]), "{code}");
        }
        let heard = played.join().unwrap();
        assert!(has(&heard[0], b'C', b"hf_") && has(&heard[0], b'P', b"hf_"), "closed before it is prepared");
        assert_eq!(has(&heard[3], b'P', b"hf_"), code != "26000", "a name that does not last is given up");
    }
}

#[test]
fn a_name_that_stands_although_it_was_closed_turns_names_off_for_the_whole_pool() {
    let mode: Arc<StatementMode> = Arc::default();
    let server = ScriptedServer::begin(READY, false).unwrap();
    let mut state = SessionState::new(10, mode.clone());
    let taken = [german("42P05", "StorePreparedStatement"), READY.to_vec()].concat();
    let unnamed = [b"1\0\0\0\x04", &DESCRIBED_AT_REST[10..]].concat();
    let bound = b"1\0\0\0\x042\0\0\0\x04T\0\0\0\x1a\0\x01n\0\0\0\0\0\0\0\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0";
    let played = say_in_turn(&server, vec![taken, unnamed, [bound, &ANSWERED[5..]].concat()]);
    let mut raw = RawSession::new(&server.link, &server.cancel, &mut state);
    assert_eq!(raw.query("select n from t", &[], ResultFormat::Text).unwrap().rows(), 1);
    assert!(mode.is_unnamed());
    let heard = played.join().unwrap();
    assert!(heard[1..].iter().all(|request| !request.windows(3).any(|part| part == b"hf_")));
}

/// The pooler's answer to the first of two statements of one text, in both ways that they can be sent.
#[test]
fn a_pipeline_whose_text_is_refused_because_its_name_stands_is_run_without_names() {
    let request = Request { sql: "select n from t".into(), params: &[], format: ResultFormat::Text };
    let server = ScriptedServer::begin(READY, false).unwrap();
    let mut state = SessionState::new(10, Arc::default());
    let taken = [german("42P05", "StorePreparedStatement"), READY.to_vec()].concat();
    let unknown = [german("26000", "FetchPreparedStatement"), READY.to_vec()].concat();
    let described = &DESCRIBED_AT_REST[5..DESCRIBED_AT_REST.len() - 6];
    let one = [described, ANSWERED].concat();
    let played = say_in_turn(&server, vec![[taken.clone(), unknown].concat(), [one.clone(), one].concat()]);
    let mut raw = RawSession::new(&server.link, &server.cancel, &mut state);
    let outcomes = raw.pipeline(&[request; 2], PipelineMode::Separate).unwrap();
    assert!(outcomes.iter().all(|outcome| outcome.as_ref().is_ok_and(|block| block.rows() == 1)));
    played.join().unwrap();
    // A server that ran the second under the existing name: the columns of its rows are unknown.
    let server = ScriptedServer::begin(READY, false).unwrap();
    let mut state = SessionState::new(10, Arc::default());
    let played = say_in_turn(&server, vec![[taken, ANSWERED.to_vec()].concat()]);
    let mut raw = RawSession::new(&server.link, &server.cancel, &mut state);
    let outcomes = raw.pipeline(&[request; 2], PipelineMode::Separate).unwrap();
    assert_eq!(outcomes[0].as_ref().unwrap_err().sqlstate().unwrap().code(), "42P05");
    assert_eq!(outcomes[1].as_ref().unwrap_err().kind(), ErrorKind::Database);
    assert!(server.link.is_clean(), "the connection is whole");
    played.join().unwrap();
}

#[test]
fn last_words_that_come_before_a_statement_was_bound_say_that_it_did_not_run() {
    for (code, status, retryable) in
        [("57P05", b'I', true), ("57P01", b'I', true), ("57P01", b'T', false), ("XX000", b'I', true)]
    {
        let mut server = ScriptedServer::begin(&[b'Z', 0, 0, 0, 5, status], false).unwrap();
        let mut state = SessionState::new(10, Arc::default());
        let body = format!("SFATAL\0VFATAL\0C{code}\0Mgone\0\0");
        server.say(&[&b"E"[..], &(body.len() as u32 + 4).to_be_bytes(), body.as_bytes()].concat());
        let mut raw = RawSession::new(&server.link, &server.cancel, &mut state);
        let error = raw.query("select 1", &[], ResultFormat::Text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionLost, "{code}");
        assert_eq!((error.sqlstate().unwrap().code(), error.is_retryable()), (code, retryable));
    }
}

#[test]
fn an_idle_session_keeps_some_kilobytes_whatever_its_last_checkout_sent_and_received() {
    let mut server = ScriptedServer::begin(READY, false).unwrap();
    let mut state = SessionState::new(0, Arc::default());
    let row = [&b"D\0\0\x03\xf2\0\x01\0\0\x03\xe8"[..], &[b'x'; 1000]].concat();
    let columns = b"T\0\0\0\x1a\0\x01n\0\0\0\0\0\0\0\0\0\0\x19\0\x04\xff\xff\xff\xff\0\0";
    server.say(columns);
    (0..60).for_each(|_| server.say(&row));
    server.say(DONE);
    let mut raw = RawSession::new(&server.link, &server.cancel, &mut state);
    let text = format!("select '{}'", "y".repeat(20_000));
    assert_eq!(raw.script(&text).unwrap()[0].rows(), 60);
    raw.end_checkout();
    assert!(state.reader.memory() <= 8 * 1024, "{}", state.reader.memory());
    assert_eq!(state.out.capacity(), 0);
    server.say(DONE);
    RawSession::new(&server.link, &server.cancel, &mut state).script("select 1").unwrap();
    assert_eq!(state.reader.memory(), 4 * 1024, "a small result needs no more");
    server.say(columns);
    (0..5).for_each(|_| server.say(&row));
    server.say(DONE);
    let mut raw = RawSession::new(&server.link, &server.cancel, &mut state);
    assert_eq!(raw.script("select 1000").unwrap()[0].rows(), 5);
    raw.end_checkout();
    assert_eq!(state.reader.memory(), 8 * 1024, "the next result of this size fits at once");
}
