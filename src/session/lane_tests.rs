//! The lane against servers that say things in pieces, or things that no server should.

use std::io::Write;
use std::thread;
use std::time::Duration;

use super::lane::{Lane, LaneState};
use crate::link::played::Played;

/// What a server has said at the end of a start-up.
const READY: &[u8] = b"Z\0\0\0\x05I";
const NOTIFICATION: &[u8] = b"A\0\0\0\x13\0\0\0\x07news\0hello\0";

#[test]
fn the_longest_patience_there_is_can_be_had() {
    let server = Played::begin(READY, false).unwrap();
    let mut state = LaneState::new(0);
    let mut later = server.server.try_clone().unwrap();
    let late = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        later.write_all(NOTIFICATION).unwrap();
    });
    let mut lane = Lane::new(&server.link, &server.cancel, &mut state);
    assert!(lane.notification(Duration::MAX).unwrap().is_some());
    late.join().unwrap();
}
