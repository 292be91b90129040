//! Messages on a direct line: sent in one piece, received one by one, none believed before it was checked.

use std::io;

use postgres::error::SqlState;

use crate::error::ServerMessage;
use crate::link::direct::DirectLine;

/// Room for what is received; grows for a message that is larger, and shrinks again.
const ROOM: usize = 32 * 1024;

/// libpq's rule against a peer that has lost its place: kinds that have no reason to be long may not be longer.
const LONGEST_SHORT: usize = 30_000;

/// A server never sends more in one message ("1 GB" in `pqformat.c`, `MaxAllocSize`).
const LONGEST: usize = 0x3fff_ffff + 5;

pub(super) fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the server sent a malformed message")
}

fn may_be_long(kind: u8) -> bool {
    matches!(kind, b'D' | b'd' | b'T' | b't' | b'E' | b'N' | b'A' | b'V')
}

/// What was received and not yet used.
pub(super) struct Inbound {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

/// One whole message, its body still in the buffer.
pub(super) struct Received {
    pub(super) kind: u8,
    body: (usize, usize),
}

impl Inbound {
    pub(super) fn new() -> Self {
        Self { buffer: Vec::new(), start: 0, end: 0 }
    }

    /// The next message, received now if it has not come yet.
    pub(super) fn next(&mut self, line: &mut DirectLine<'_>) -> io::Result<Received> {
        loop {
            match self.parse() {
                Ok(Some(message)) => return Ok(message),
                Ok(None) => self.fill(line)?,
                Err(_) => return Err(line.fail_protocol()),
            }
        }
    }

    pub(super) fn body(&self, message: &Received) -> &[u8] {
        &self.buffer[message.body.0..message.body.1]
    }

    fn parse(&mut self) -> io::Result<Option<Received>> {
        let bytes = &self.buffer[self.start..self.end];
        let Some((header, _)) = bytes.split_first_chunk::<5>() else { return Ok(None) };
        let [kind, a, b, c, d] = *header;
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let longest = if may_be_long(kind) { LONGEST } else { LONGEST_SHORT };
        if length < 4 || length > longest {
            return Err(malformed());
        }
        let whole = length + 1;
        if bytes.len() < whole {
            self.make_room_for(whole);
            return Ok(None);
        }
        let body = (self.start + 5, self.start + whole);
        self.start += whole;
        Ok(Some(Received { kind, body }))
    }

    fn make_room_for(&mut self, whole: usize) {
        if self.start + whole > self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            if whole > self.buffer.len() {
                // In steps: a length is only a claim until the bytes have come.
                let step = whole.min((self.buffer.len() * 2).max(ROOM));
                self.buffer.resize(step, 0);
            }
        }
    }

    /// Receives more behind what is there.
    pub(super) fn fill(&mut self, line: &mut DirectLine<'_>) -> io::Result<()> {
        self.prepare_to_fill();
        self.end += line.receive(&mut self.buffer[self.end..])?;
        Ok(())
    }

    fn prepare_to_fill(&mut self) {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            if self.buffer.len() != ROOM {
                self.buffer = vec![0; ROOM];
            }
        } else if self.end == self.buffer.len() {
            // Only a pipeline gets here with whole messages unread: what is sent meanwhile must not wait for them.
            let doubled = (self.end - self.start) * 2;
            self.make_room_for(doubled.max(ROOM));
        }
    }

    /// Takes what was received already, below this lane; `false` when there is nothing.
    pub(super) fn fill_buffered(&mut self, line: &mut DirectLine<'_>) -> io::Result<bool> {
        self.prepare_to_fill();
        let received = line.receive_buffered(&mut self.buffer[self.end..])?;
        self.end += received.unwrap_or(0);
        Ok(received.is_some())
    }

    /// Gives what was received too much of back to the line.
    pub(super) fn hand_back(&mut self, line: &mut DirectLine<'_>) {
        if self.start < self.end {
            line.hand_back(&self.buffer[self.start..self.end]);
        }
        (self.start, self.end) = (0, 0);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end
    }
}

/// A NUL-terminated text at the start of `bytes`, and what follows.
pub(super) fn take_text(bytes: &[u8]) -> io::Result<(String, &[u8])> {
    let end = bytes.iter().position(|b| *b == 0).ok_or_else(malformed)?;
    Ok((String::from_utf8_lossy(&bytes[..end]).into_owned(), &bytes[end + 1..]))
}

/// The fields of an `ErrorResponse` or `NoticeResponse`.
pub(super) fn parse_server_message(mut body: &[u8]) -> io::Result<ServerMessage> {
    let mut message = ServerMessage {
        severity: String::new(),
        sqlstate: SqlState::INTERNAL_ERROR,
        message: String::new(),
        detail: None,
        hint: None,
        position: None,
        internal_position: None,
        internal_query: None,
        context: None,
        schema: None,
        table: None,
        column: None,
        data_type: None,
        constraint: None,
        file: None,
        line: None,
        routine: None,
    };
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
    fn a_message_cut_anywhere_is_refused() {
        for cut in 0..ERROR.len() {
            assert!(parse_server_message(&ERROR[..cut]).is_err(), "cut at {cut}");
        }
    }
}
