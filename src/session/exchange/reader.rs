//! The receive buffer: messages received one by one, each checked before it is used.

use std::borrow::Cow;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use postgres::error::SqlState;

use super::MAX_KEPT_BUFFER_BYTES;
use crate::error::ServerMessage;
use crate::link::blocking::BlockingLink;

/// The size of the buffer at first. The results of most point queries fit, and many idle connections hold little memory.
const FIRST_BUFFER_BYTES: usize = 4 * 1024;

/// The size of the buffer once a result did not fit, also on an idle connection: as much as the server sends at a time.
const SEND_BUFFER_BYTES: usize = 8 * 1024;

/// The size of the buffer for larger results. It grows for a larger message, and shrinks again.
const BUFFER_BYTES: usize = 32 * 1024;

/// The size from which a result counts as large and is received in larger pieces. The server sends 8 kB at a time
/// (`PQ_SEND_BUFFER_SIZE`), and a wake-up for each costs both sides more than the bytes do. So a reader that has caught up
/// pauses before its next poll, and then receives more at once. Measured over 100,000 rows: a fifth of the time. The pauses
/// grow with the time the result has taken, up to a share of it, which bounds their cost at its end.
const LARGE_RESULT_BYTES: usize = 256 * 1024;
const LARGE_BUFFER_BYTES: usize = 128 * 1024;
const MIN_PAUSE: Duration = Duration::from_micros(50);
const PAUSE_DIVISOR: u32 = 64;

/// The least time a statement of a pipeline takes. The server answers these one by one, in a few bytes each. A reader that has
/// caught up and expects many more pauses for a part of the time that they must take. Measured over 10,000 inserts: half of the
/// time, and 180 wake-ups instead of 3,500.
const TIME_PER_STATEMENT: Duration = Duration::from_micros(2);
const MAX_PAUSE: Duration = Duration::from_micros(400);

/// libpq's limit for kinds of message that have no reason to be long, against a peer out of step.
const MAX_SHORT_MESSAGE_BYTES: usize = 30_000;

/// The longest message that a server sends ("1 GB" in `pqformat.c`, `MaxAllocSize`).
const MAX_MESSAGE_BYTES: usize = 0x3fff_ffff + 5;

pub(in crate::session) fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the server sent a malformed message")
}

fn may_be_long(kind: u8) -> bool {
    matches!(kind, b'D' | b'd' | b'T' | b't' | b'E' | b'N' | b'A' | b'V')
}

/// The bytes received and not yet used.
pub(in crate::session) struct Reader {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// The bytes received in this exchange.
    received: usize,
    /// The time when the result turned out to be large.
    large_since: Option<Instant>,
    /// The last poll found less than there was room for.
    caught_up: bool,
    /// The statements whose replies are still to come.
    awaited: usize,
}

/// A whole message, its body still in the buffer.
pub(in crate::session) struct Received {
    pub(in crate::session) kind: u8,
    body: (usize, usize),
}

impl Reader {
    pub(in crate::session) fn new() -> Self {
        Self {
            buffer: Vec::new(),
            start: 0,
            end: 0,
            received: 0,
            large_since: None,
            caught_up: false,
            awaited: 0,
        }
    }

    /// Resets the measurements for a new exchange.
    pub(in crate::session) fn begin_exchange(&mut self) {
        self.received = 0;
        self.large_since = None;
        self.awaited = 0;
    }

    /// Notes how many statements are still to be answered.
    pub(in crate::session) fn expect_replies(&mut self, statements: usize) {
        self.awaited = statements;
    }

    /// Returns the pause before the next poll, after which more will have arrived.
    fn pause(&self) -> Option<Duration> {
        let for_statements = TIME_PER_STATEMENT * u32::try_from(self.awaited).unwrap_or(u32::MAX);
        match (self.caught_up, self.large_since) {
            (false, _) => None,
            (true, Some(since)) => {
                let share = since.elapsed() / PAUSE_DIVISOR;
                Some(share.max(for_statements).clamp(MIN_PAUSE, MAX_PAUSE))
            }
            (true, None) => (for_statements >= MIN_PAUSE).then(|| for_statements.min(MAX_PAUSE)),
        }
    }

    /// Returns the next message, receiving it if necessary.
    #[inline]
    pub(in crate::session) fn next(&mut self, line: &mut BlockingLink<'_>) -> io::Result<Received> {
        loop {
            match self.parse() {
                Ok(Some(message)) => return Ok(message),
                Ok(None) => self.fill(line)?,
                Err(e) => return Err(line.fail_reading(&e)),
            }
        }
    }

    pub(in crate::session) fn body(&self, message: &Received) -> &[u8] {
        &self.buffer[message.body.0..message.body.1]
    }

    /// Returns the next message if all of it has arrived.
    #[inline]
    pub(in crate::session) fn parse(&mut self) -> io::Result<Option<Received>> {
        let bytes = &self.buffer[self.start..self.end];
        let Some((header, _)) = bytes.split_first_chunk::<5>() else { return Ok(None) };
        let [kind, a, b, c, d] = *header;
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let longest = if may_be_long(kind) { MAX_MESSAGE_BYTES } else { MAX_SHORT_MESSAGE_BYTES };
        if length < 4 || length > longest {
            return Err(malformed());
        }
        let whole = length + 1;
        if bytes.len() < whole {
            self.make_room_for(whole)?;
            return Ok(None);
        }
        let body = (self.start + 5, self.start + whole);
        self.start += whole;
        Ok(Some(Received { kind, body }))
    }

    fn make_room_for(&mut self, whole: usize) -> io::Result<()> {
        if self.start + whole > self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            if whole > self.buffer.len() {
                // Memory grows in steps: a length is only a claim until the bytes have come.
                let step = whole.min((self.buffer.len() * 2).max(BUFFER_BYTES));
                self.buffer.try_reserve_exact(step - self.buffer.len())?;
                self.buffer.resize(step, 0);
            }
        }
        Ok(())
    }

    /// Receives more bytes behind those in the buffer. Blocks until some have come.
    pub(in crate::session) fn fill(&mut self, line: &mut BlockingLink<'_>) -> io::Result<()> {
        self.prepare_to_fill().map_err(|e| line.fail_reading(&e))?;
        if let Some(pause) = self.pause() {
            thread::sleep(pause);
        }
        let wanted_size = &mut self.buffer[self.end..];
        let received = line.receive(wanted_size)?;
        // TLS returns one record at a time, however much has arrived.
        self.caught_up = received < wanted_size.len() && !line.is_encrypted();
        self.end += received;
        self.received += received;
        if self.received > LARGE_RESULT_BYTES && self.large_since.is_none() {
            self.large_since = Some(Instant::now());
        }
        Ok(())
    }

    /// Returns the size that the buffer should have by now.
    #[inline]
    fn wanted_size(&self) -> usize {
        if self.large_since.is_some() {
            LARGE_BUFFER_BYTES
        } else if self.received >= SEND_BUFFER_BYTES || self.buffer.len() == BUFFER_BYTES {
            BUFFER_BYTES
        } else if self.received >= FIRST_BUFFER_BYTES || self.buffer.len() == SEND_BUFFER_BYTES {
            SEND_BUFFER_BYTES
        } else {
            FIRST_BUFFER_BYTES
        }
    }

    #[inline]
    fn prepare_to_fill(&mut self) -> io::Result<()> {
        let wanted_size = self.wanted_size();
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            if self.buffer.len() != wanted_size {
                self.buffer = vec![0; wanted_size];
            }
            Ok(())
        } else if self.buffer.len() < wanted_size {
            self.make_room_for(wanted_size)
        } else if self.end == self.buffer.len() {
            // Only a pipeline gets here with whole messages unread: its sending must not wait for them to be read.
            let doubled = (self.end - self.start) * 2;
            self.make_room_for(doubled.max(BUFFER_BYTES))
        } else {
            Ok(())
        }
    }

    /// Receives bytes that have arrived; `false` when none have. Does not block.
    pub(in crate::session) fn try_fill(&mut self, line: &mut BlockingLink<'_>) -> io::Result<bool> {
        self.prepare_to_fill().map_err(|e| line.fail_reading(&e))?;
        let received = line.receive_now(&mut self.buffer[self.end..])?;
        self.end += received.unwrap_or(0);
        Ok(received.is_some())
    }

    /// Hands bytes beyond the exchange back to the line.
    pub(in crate::session) fn hand_back(&mut self, line: &mut BlockingLink<'_>) {
        if self.start < self.end {
            line.hand_back(&self.buffer[self.start..self.end]);
        }
        (self.start, self.end) = (0, 0);
        if self.buffer.len() > MAX_KEPT_BUFFER_BYTES {
            self.buffer = Vec::new();
        }
    }

    #[cfg(test)]
    pub(in crate::session) fn memory(&self) -> usize {
        self.buffer.capacity()
    }

    /// Frees memory beyond what an idle connection needs.
    #[inline]
    pub(in crate::session) fn trim(&mut self) {
        if self.buffer.len() > SEND_BUFFER_BYTES && self.start == self.end {
            (self.start, self.end) = (0, 0);
            self.buffer = Vec::new();
        }
    }
}

/// Returns the NUL-terminated text at the start of `bytes`.
pub(in crate::session) fn text_at(bytes: &[u8]) -> io::Result<Cow<'_, str>> {
    let end = bytes.iter().position(|b| *b == 0).ok_or_else(malformed)?;
    Ok(String::from_utf8_lossy(&bytes[..end]))
}

/// The most bytes kept of a text in a message that tells something, and of a name. No server has a reason to send more; a message
/// of 1 GiB would be copied into an error, and from there into logs.
const MAX_TEXT_BYTES: usize = 1024 * 1024;

/// Returns the NUL-terminated text at the start of `bytes`, and the bytes that follow. A longer text than is kept is cut.
pub(in crate::session) fn take_text(bytes: &[u8]) -> io::Result<(String, &[u8])> {
    let end = bytes.iter().position(|b| *b == 0).ok_or_else(malformed)?;
    let mut text = String::new();
    for chunk in bytes[..end.min(MAX_TEXT_BYTES)].utf8_chunks() {
        text.try_reserve(chunk.valid().len() + char::REPLACEMENT_CHARACTER.len_utf8())?;
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    Ok((text, &bytes[end + 1..]))
}

/// Parses the fields of an `ErrorResponse` or `NoticeResponse`.
pub(crate) fn parse_server_message(mut body: &[u8]) -> io::Result<ServerMessage> {
    let mut message = ServerMessage::new("", SqlState::INTERNAL_ERROR, "");
    while let Some((kind, rest)) = body.split_first() {
        if *kind == 0 {
            return Ok(message);
        }
        let (text, rest) = take_text(rest)?;
        body = rest;
        match kind {
            // The localized severity; `V`, which comes later and is not localized, wins.
            b'S' if message.severity.is_empty() => message.severity = text,
            b'V' => message.severity = text,
            b'C' => message.sqlstate = SqlState::from_code(&text),
            b'M' => message.message = text,
            b'D' => message.detail = Some(text),
            b'H' => message.hint = Some(text),
            b'P' => message.position = Some(text),
            b'p' => message.internal_position = Some(text),
            b'q' => message.internal_query = Some(text),
            b'W' => message.context = Some(text),
            b's' => message.schema = Some(text),
            b't' => message.table = Some(text),
            b'c' => message.column = Some(text),
            b'd' => message.data_type = Some(text),
            b'n' => message.constraint = Some(text),
            b'F' => message.file = Some(text),
            b'L' => message.line = Some(text),
            b'R' => message.routine = Some(text),
            // "Frontends should silently ignore fields of unrecognized type."
            _ => {}
        }
    }
    Err(malformed())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ERROR: &[u8] = b"SFEHLER\0VERROR\0C23514\0Mno\0Ddetail\0nthe_constraint\0\0";

    #[test]
    fn the_severity_that_is_not_localized_wins() {
        let message = parse_server_message(ERROR).unwrap();
        assert_eq!((message.severity.as_str(), message.sqlstate.code()), ("ERROR", "23514"));
        assert_eq!(message.constraint.as_deref(), Some("the_constraint"));
    }

    #[test]
    fn texts_are_kept_up_to_a_mebibyte_and_read_as_utf8() {
        let long = [&b"x".repeat(MAX_TEXT_BYTES - 1), "\u{fc}\0behind".as_bytes()].concat();
        let (text, behind) = take_text(&long).unwrap();
        assert_eq!(
            (text.len(), &text[MAX_TEXT_BYTES - 1..], behind),
            (1_048_578, "\u{fffd}", &b"behind"[..])
        );
        for bytes in [&b"f\xc3\xbcr"[..], b"", b"\xff", b"a\xffb\xe2\x98", b"\xe2\x98\x83\xc3"] {
            let whole = [bytes, b"\0"].concat();
            assert_eq!(take_text(&whole).unwrap().0, String::from_utf8_lossy(bytes), "{bytes:?}");
        }
    }

    #[test]
    fn a_message_cut_anywhere_is_refused() {
        for cut in 0..ERROR.len() {
            assert!(parse_server_message(&ERROR[..cut]).is_err(), "cut at {cut}");
        }
    }
}
