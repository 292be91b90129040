//! Messages of a server before authentication ends. Whatever lengths it claims, the memory kept for them is bounded.

use std::io;

use crate::error::{Error, ErrorKind, LinkFault, Phase};
use crate::link::blocking::BlockingLink;
use crate::link::tls::ClientCertificate;
use crate::link::{Link, alert_of};

/// The most bytes that a server may send before its session is ready. A real one sends less than 2 KiB.
const MAX_START_BYTES: usize = 1024 * 1024;

/// The bytes received at a time.
const RECEIVE_BYTES: usize = 4 * 1024;

/// Returns the greatest length of a message of each kind, its length field included. libpq's bounds are 2,000 bytes for
/// authentication and 30,000 for errors (`PQconnectPoll`, `MAX_ERRLEN`); a key is at most 256 bytes long (protocol 3.2).
fn longest(kind: u8) -> usize {
    match kind {
        b'R' | b'v' => 2_000,
        b'E' | b'N' => 30_000,
        b'S' => 64 * 1024,
        b'K' => 4 + 4 + 256,
        _ => 16,
    }
}

/// Returns the least length of a valid message of each kind.
fn shortest(kind: u8) -> usize {
    match kind {
        b'R' | b'v' => 8,
        b'E' => 5,
        _ => 4,
    }
}

/// One whole message, its body still in the buffer.
pub(super) struct Message {
    pub(super) kind: u8,
    body: (usize, usize),
}

/// The conversation from the start-up packet to the first `ReadyForQuery`.
pub(super) struct Messages<'a> {
    io: BlockingLink<'a>,
    link: &'a Link,
    buffer: Vec<u8>,
    start: usize,
    received: usize,
}

impl<'a> Messages<'a> {
    /// Locks the link of a fresh connection.
    pub(super) fn over(link: &'a Link) -> Result<Self, Error> {
        let io = link.blocking(None).map_err(|e| broken(e, link))?;
        Ok(Self { io, link, buffer: Vec::new(), start: 0, received: 0 })
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<(), Error> {
        // The server's output meanwhile is read later: the kernel takes every request at once.
        self.io.send(bytes, |_| Ok(())).map_err(|e| broken(e, self.link))
    }

    /// Returns the data that a password exchange is bound to, on an encrypted connection.
    pub(super) fn channel_binding(&self) -> Option<Vec<u8>> {
        self.io.channel_binding()
    }

    /// Returns what became of the client's certificate; known where `sslcertmode=require`.
    pub(super) fn client_certificate(&self) -> ClientCertificate {
        self.io.client_certificate()
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.io.is_encrypted()
    }

    /// Returns the kind of the next message, of which possibly no more has come.
    pub(super) fn next_kind(&mut self) -> Result<u8, Error> {
        self.await_bytes(1)?;
        Ok(self.buffer[self.start])
    }

    /// Receives the next message.
    pub(super) fn next(&mut self) -> Result<Message, Error> {
        self.await_bytes(5)?;
        let (kind, length) = self.header();
        if !(shortest(kind)..=longest(kind)).contains(&length) {
            let message =
                format!("the server sent a message of kind {} that claims {length} bytes", name(kind));
            return Err(self.unacceptable(message));
        }
        self.await_bytes(1 + length)?;
        let body = (self.start + 5, self.start + 1 + length);
        self.start += 1 + length;
        Ok(Message { kind, body })
    }

    fn header(&self) -> (u8, usize) {
        match self.buffer.get(self.start..).and_then(<[u8]>::first_chunk::<5>) {
            Some([kind, a, b, c, d]) => (*kind, u32::from_be_bytes([*a, *b, *c, *d]) as usize),
            None => (0, 0),
        }
    }

    pub(super) fn body(&self, message: &Message) -> &[u8] {
        &self.buffer[message.body.0..message.body.1]
    }

    /// Returns the bytes received and not yet read behind the kind of the next message.
    pub(super) fn behind_kind(&self) -> &[u8] {
        self.buffer.get(self.start + 1..).unwrap_or_default()
    }

    /// Returns whether the next message begins as a message with a length does. Its first byte is zero in every message that
    /// is acceptable here, and in no text.
    pub(super) fn has_length(&mut self) -> Result<bool, Error> {
        self.await_bytes(2)?;
        Ok(self.buffer[self.start + 1] == 0)
    }

    /// Receives an error in the old form, which servers use when they cannot serve a connection at all, as when they cannot
    /// fork: no length, just a line and a NUL, sent at once (`report_fork_failure_to_client`). `None` when a line or the
    /// connection ends without the NUL, so that another service sent it.
    pub(super) fn old_error(&mut self) -> Option<String> {
        loop {
            let text = self.behind_kind();
            if let Some(end) = text.iter().position(|b| *b == 0) {
                return Some(String::from_utf8_lossy(&text[..end]).trim_end().to_owned());
            }
            if text.contains(&b'\n') || text.len() > longest(b'E') || self.receive().is_err() {
                return None;
            }
        }
    }

    /// Ends the conversation. Bytes received behind its last message are left to the session.
    pub(super) fn finish(mut self) {
        if self.start < self.buffer.len() {
            self.io.hand_back(&self.buffer[self.start..]);
        }
    }

    /// Makes the error of a message that no PostgreSQL server sends. Final: the next try would meet the same.
    pub(super) fn unacceptable(&self, message: impl Into<String>) -> Error {
        self.link.fail(LinkFault::ProtocolBroken);
        Error::new(ErrorKind::Auth, message).in_phase(Phase::Auth).set_retryable(false)
    }

    /// Makes the error of a message in the wrong place.
    pub(super) fn unexpected(&self, kind: u8) -> Error {
        self.unacceptable(format!(
            "the server sent an unexpected message of kind {} at the start",
            name(kind)
        ))
    }

    /// Makes the error of a message that is cut off or otherwise invalid.
    pub(super) fn malformed(&self, kind: u8) -> Error {
        self.unacceptable(format!("the server sent a malformed message of kind {} at the start", name(kind)))
    }

    fn await_bytes(&mut self, count: usize) -> Result<(), Error> {
        while self.buffer.len() - self.start < count {
            self.receive()?;
        }
        Ok(())
    }

    fn receive(&mut self) -> Result<(), Error> {
        if self.received >= MAX_START_BYTES {
            return Err(self.unacceptable("the server sent more than 1 MiB before the session was ready"));
        }
        // Read messages are dropped, so the buffer never holds more than one message and one receive.
        self.buffer.drain(..self.start);
        self.start = 0;
        let length = self.buffer.len();
        self.buffer.resize(length + RECEIVE_BYTES, 0);
        let received = self.io.receive(&mut self.buffer[length..]);
        self.buffer.truncate(length + received.as_ref().map_or(0, |n| *n));
        self.received += received.map_err(|e| broken(e, self.link))?;
        Ok(())
    }
}

/// Returns the kind of a message in printable form.
fn name(kind: u8) -> String {
    format!("'{}'", char::from(kind).escape_default())
}

/// Makes the error of a link that failed between the start-up packet and the first `ReadyForQuery`.
fn broken(error: io::Error, link: &Link) -> Error {
    if link.fault() == Some(LinkFault::DeadlinePassed) {
        return Error::new(ErrorKind::ConnectTimeout, "the server did not finish authentication in time")
            .in_phase(Phase::Auth)
            .with_source(error);
    }
    // In TLS 1.3 the client's handshake is over before the server has checked its certificate.
    if let Some(alert) = alert_of(&error) {
        return Error::new(ErrorKind::Tls, format!("the server refused TLS after the handshake: {alert}"))
            .in_phase(Phase::Tls)
            .with_source(error);
    }
    Error::from_connect_io(error, Phase::Auth, "the connection broke during authentication")
}
