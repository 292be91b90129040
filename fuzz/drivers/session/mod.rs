//! Fuzz targets for raw sessions: servers that send anything, and values of any bytes.

mod values;
mod visit;

pub use values::binary_values;
use visit::Visit;

use std::sync::Arc;

use super::raw_session::SessionState;
use crate::link::scripted_server::ScriptedServer;
use crate::testing::fuzzing::Draws;

/// The most bytes that fit into a socket.
const LONGEST: usize = 64 * 1024;

/// The settings that affect the text of values, as a server in UTC reports them.
const SETTINGS: &[u8] = b"S\0\0\0\x18server_version\x0017.2\0S\0\0\0\x17DateStyle\0ISO, MDY\0\
    S\0\0\0\x11TimeZone\0UTC\0S\0\0\0\x1bIntervalStyle\0postgres\0";

/// Uses a connection whose server has already sent all that it will send.
///
/// The first byte selects the start-up, the second the number of operations, two bytes each the operations; the rest is the
/// server's output. The first byte also selects whether that is received up to each `ReadyForQuery`, at once, or as kinds,
/// lengths and bodies that form messages of the right length, since most mistakes are further in than that.
pub fn hostile_server(input: &[u8]) {
    let mut draws = Draws::new(input);
    let manner = draws.byte();
    let count = 1 + draws.below(8);
    let operations: Vec<_> = (0..count).map(|_| (draws.byte(), draws.byte())).collect();
    let mut server = ScriptedServer::begin(&greeting(manner >> 3), manner & 4 != 0).expect("a socket");
    match manner & 65 {
        0 => turns(draws.rest()).for_each(|words| server.say(words)),
        64 => server.say(draws.bytes(LONGEST)),
        _ => say_messages(&mut server, &mut draws),
    }
    server.fall_silent(manner & 2 != 0).expect("a socket");
    // A cache small enough that statements are evicted.
    let statement_cache = if manner & 128 == 0 { 2 } else { 0 };
    let mut visit = Visit::new(server, SessionState::new(statement_cache, Arc::default()));
    for (what, how) in operations {
        visit.perform(what, how);
    }
}

/// Returns the server's start-up messages: settings or none, and the transaction status.
fn greeting(how: u8) -> Vec<u8> {
    let mut said = if how & 1 == 0 { SETTINGS.to_vec() } else { Vec::new() };
    let status = [Some(b'I'), Some(b'T'), Some(b'E'), None][usize::from(how >> 1 & 3)];
    said.extend(status.map(|status| [b'Z', 0, 0, 0, 5, status]).into_iter().flatten());
    said
}

/// Splits the server's output into the parts between two requests, where they can be recognised.
fn turns(words: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = &words[..words.len().min(LONGEST)];
    std::iter::from_fn(move || {
        let end = rest.windows(5).position(|part| part == b"Z\0\0\0\x05").map_or(rest.len(), |at| at + 6);
        let (turn, after) = rest.split_at(end.min(rest.len()));
        rest = after;
        (!turn.is_empty()).then_some(turn)
    })
}

/// Sends whole messages. One byte each selects the kind, and whether it is received with the one before; another is the length,
/// where 255 means that two more hold it.
fn say_messages(server: &mut ScriptedServer, draws: &mut Draws<'_>) {
    let (mut words, mut said) = (Vec::new(), 0);
    while !draws.is_empty() && said < LONGEST {
        let kind = draws.byte();
        if kind & 128 != 0 {
            server.say(&words);
            words.clear();
        }
        let length = match draws.byte() {
            255 => usize::from(draws.byte()) << 8 | usize::from(draws.byte()),
            short => usize::from(short),
        };
        let body = draws.bytes(length);
        words.push(kind & 127);
        words.extend((body.len() as u32 + 4).to_be_bytes());
        words.extend_from_slice(body);
        said += body.len() + 5;
    }
    server.say(&words);
}
