//! Parses the client's messages and builds the server's ("Message Formats" in PostgreSQL's documentation).

use std::io::{self, BufReader, Read};
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, Timespec};

use crate::sys::socket::{NO_SIGNAL, PEER_CLOSED};

/// The length of pending replies from which they are sent.
const FLUSH_FROM_BYTES: usize = 64 * 1024;

/// The greatest length of a message, as in PostgreSQL.
const MAX_MESSAGE_BYTES: usize = 0x3fff_ffff;

/// The SQLSTATE and message of a refused statement.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) code: String,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn error(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into() }
    }
}

fn malformed() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

/// The server's end of a connection.
pub(crate) struct Wire {
    stream: BufReader<UnixStream>,
    out: Vec<u8>,
}

impl Wire {
    pub(crate) fn new(stream: UnixStream) -> Self {
        Self { stream: BufReader::new(stream), out: Vec::new() }
    }

    /// Reads the packet that a connection begins with: a code, and the rest.
    pub(crate) fn read_first(&mut self) -> io::Result<(u32, Vec<u8>)> {
        let body = self.read_body()?;
        let (code, rest) = body.split_first_chunk::<4>().ok_or_else(malformed)?;
        Ok((u32::from_be_bytes(*code), rest.to_vec()))
    }

    /// Reads the next message: its kind and body.
    pub(crate) fn read(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let mut kind = [0];
        self.stream.read_exact(&mut kind)?;
        Ok((kind[0], self.read_body()?))
    }

    fn read_body(&mut self) -> io::Result<Vec<u8>> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length) as usize;
        if !(4..=MAX_MESSAGE_BYTES).contains(&length) {
            return Err(malformed());
        }
        // The buffer grows with the bytes received: the length is only a claim.
        let mut body = Vec::new();
        (&mut self.stream).take(length as u64 - 4).read_to_end(&mut body)?;
        if body.len() == length - 4 { Ok(body) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// Returns whether the client has hung up.
    pub(super) fn has_hung_up(&self) -> bool {
        let mut descriptors = [PollFd::new(self.stream.get_ref(), PEER_CLOSED)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        // An interrupted poll is repeated soon.
        rustix::event::poll(&mut descriptors, Some(&now)).is_ok_and(|ready| ready > 0)
    }

    /// Adds a message of this kind.
    pub(crate) fn put(&mut self, kind: u8, write: impl FnOnce(&mut Body)) {
        self.out.push(kind);
        let start = self.out.len();
        self.out.extend([0; 4]);
        let mut body = Body(std::mem::take(&mut self.out));
        write(&mut body);
        self.out = body.0;
        let length = (self.out.len() - start) as u32;
        self.out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    }

    /// Declines a request for encryption, with the one reply that is no message.
    pub(super) fn decline(&mut self) -> io::Result<()> {
        self.out.push(b'N');
        self.flush()
    }

    /// Adds an `ErrorResponse` or `NoticeResponse`.
    pub(crate) fn put_report(&mut self, kind: u8, severity: &str, code: &str, message: &str) {
        self.put(kind, |body| {
            for (field, text) in [(b'S', severity), (b'V', severity), (b'C', code), (b'M', message)] {
                body.0.push(field);
                body.text(text);
            }
            body.0.push(0);
        });
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        let mut rest = self.out.as_slice();
        while !rest.is_empty() {
            // A client that has gone must not kill the process by SIGPIPE.
            match rustix::net::send(self.stream.get_ref(), rest, NO_SIGNAL) {
                Ok(sent) => rest = &rest[sent..],
                Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
        self.out.clear();
        Ok(())
    }

    pub(super) fn flush_if_much(&mut self) -> io::Result<()> {
        if self.out.len() < FLUSH_FROM_BYTES { Ok(()) } else { self.flush() }
    }
}

/// The body of a message under construction.
pub(crate) struct Body(Vec<u8>);

impl Body {
    pub(crate) fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    pub(crate) fn int2(&mut self, number: usize) {
        self.0.extend((number as u16).to_be_bytes());
    }

    pub(crate) fn int4(&mut self, number: u32) {
        self.0.extend(number.to_be_bytes());
    }

    /// Adds a text with a NUL behind it; a NUL within ends it.
    pub(crate) fn text(&mut self, text: &str) {
        self.0.extend(text.split('\0').next().unwrap_or_default().as_bytes());
        self.0.push(0);
    }

    /// Adds a value behind its length.
    pub(crate) fn value(&mut self, value: Option<&[u8]>) {
        match value {
            Some(bytes) => {
                self.int4(bytes.len() as u32);
                self.0.extend(bytes);
            }
            None => self.int4(u32::MAX),
        }
    }
}

/// The body of a received message, read from its beginning.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn byte(&mut self) -> io::Result<u8> {
        let (byte, rest) = self.0.split_first().ok_or_else(malformed)?;
        self.0 = rest;
        Ok(*byte)
    }

    pub(super) fn int2(&mut self) -> io::Result<u16> {
        let (number, rest) = self.0.split_first_chunk().ok_or_else(malformed)?;
        self.0 = rest;
        Ok(u16::from_be_bytes(*number))
    }

    pub(super) fn int4(&mut self) -> io::Result<u32> {
        let (number, rest) = self.0.split_first_chunk().ok_or_else(malformed)?;
        self.0 = rest;
        Ok(u32::from_be_bytes(*number))
    }

    pub(super) fn text(&mut self) -> io::Result<&'a str> {
        let end = self.0.iter().position(|b| *b == 0).ok_or_else(malformed)?;
        let text = str::from_utf8(&self.0[..end]).map_err(|_| malformed())?;
        self.0 = &self.0[end + 1..];
        Ok(text)
    }

    /// Reads a value behind its length; `None` is NULL.
    pub(super) fn value(&mut self) -> io::Result<Option<&'a [u8]>> {
        let length = self.int4()?;
        if length == u32::MAX {
            return Ok(None);
        }
        let (value, rest) = self.0.split_at_checked(length as usize).ok_or_else(malformed)?;
        self.0 = rest;
        Ok(Some(value))
    }

    /// Reads a count, and as many numbers of two bytes.
    pub(super) fn codes(&mut self) -> io::Result<Vec<u16>> {
        (0..self.int2()?).map(|_| self.int2()).collect()
    }
}
