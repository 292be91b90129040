//! The line: transport and framing of both directions. The session uses it directly; a driver that is a guest on the
//! connection uses it whenever the session is at rest ([`driver`](super::driver_bridge)).
//!
//! At any moment one user has the line: the one that passes its [`Turnstile`].

use std::io::{self, Read, Write};

use bytes::BytesMut;
use openssl::ssl::SslStream;
use parking_lot::{Mutex, MutexGuard};

use super::protocol_state::{Owed, Tap, wants_backend_body};
use super::socket::{Socket, SocketIo};
use super::tls::{alert_of, server_end_point};
use crate::error::LinkFault;
use crate::protocol::framing::Framing;

pub(crate) enum Transport {
    Plain(SocketIo),
    Tls(Box<SslStream<SocketIo>>),
}

/// What was agreed on for an encrypted connection, in OpenSSL's names.
#[cfg(feature = "diagnose")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TlsFacts {
    /// `TLSv1.3`, for instance.
    pub(crate) version: &'static str,
    /// Empty where OpenSSL has no name for it.
    pub(crate) cipher: &'static str,
}

impl Transport {
    /// Reads as the socket is set to: [`WouldBlock`](io::ErrorKind::WouldBlock) where it does not wait and nothing has come.
    #[inline]
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(io) => io.read(buffer),
            Self::Tls(tls) => tls.read(buffer),
        }
    }

    /// Writes what the kernel takes now.
    #[inline]
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(io) => io.write(bytes),
            Self::Tls(tls) => tls.write(bytes),
        }
    }

    /// Why nothing can be sent any more: where the server said that by an alert of TLS, which has come already, as it does when
    /// it refuses a certificate, the alert and not that the connection was reset thereafter.
    #[cold]
    fn why_not_sent(&mut self, error: io::Error) -> io::Error {
        let Self::Tls(tls) = self else { return error };
        match tls.read(&mut [0; 1]) {
            Err(alert) if alert_of(&alert).is_some() => alert,
            _ => error,
        }
    }

    #[cfg(feature = "diagnose")]
    pub(super) fn tls_facts(&self) -> Option<TlsFacts> {
        let Self::Tls(tls) = self else { return None };
        let ssl = tls.ssl();
        let cipher = ssl.current_cipher().map_or("", |cipher| cipher.name());
        Some(TlsFacts { version: ssl.version_str(), cipher })
    }

    #[cfg(feature = "diagnose")]
    pub(super) fn certificate(&self) -> Option<openssl::x509::X509> {
        match self {
            Self::Plain(_) => None,
            Self::Tls(tls) => tls.ssl().peer_certificate(),
        }
    }

    /// What SCRAM binds to (`tls-server-end-point`, RFC 5929): nothing on a plain connection.
    pub(super) fn channel_binding(&self) -> Option<Vec<u8>> {
        match self {
            Self::Plain(_) => None,
            Self::Tls(tls) => server_end_point(tls.ssl()),
        }
    }
}

pub(crate) struct Line {
    pub(super) transport: Transport,
    front: Framing,
    back: Framing,
    /// Received by the direct lane beyond its last reply, and already followed by the framing: the next reader, of
    /// either lane, gets it first.
    handed_back: BytesMut,
    /// The client has taken a part of what was handed back, so that what is left may begin in the middle of a message.
    client_took_part: bool,
}

impl Line {
    pub(crate) fn new(transport: Transport) -> Self {
        Self {
            transport,
            front: Framing::frontend(),
            back: Framing::backend(),
            handed_back: BytesMut::new(),
            client_took_part: false,
        }
    }

    /// Has framing and tap follow what was received just now.
    ///
    /// What was read is handed on even if it ends the connection: it holds the server's reason, or shows what it is that
    /// speaks no protocol of PostgreSQL's.
    pub(super) fn follow_received(&mut self, socket: &Socket, tap: &Tap, fresh: &[u8]) {
        tap.traffic.received(fresh.len());
        self.back.feed(fresh, wants_backend_body, |message| tap.received(&message));
        if self.back.is_broken() {
            socket.fail(LinkFault::ProtocolBroken);
        } else if tap.has_ended() {
            socket.fail(LinkFault::ClosedByServer);
        }
        if tap.owed() == Owed::Nothing {
            socket.deadlines().statement_ends();
        }
    }

    /// Up to `room` bytes that the direct lane received too much of.
    pub(super) fn take_handed_back(&mut self, room: usize) -> Option<BytesMut> {
        if self.handed_back.is_empty() {
            return None;
        }
        let n = self.handed_back.len().min(room);
        Some(self.handed_back.split_to(n))
    }

    /// Whether a driver has taken a part of a message of what was handed back.
    pub(super) fn is_read_in_part(&mut self, in_part: bool) {
        self.client_took_part = in_part;
    }

    /// No message to the server was written in part.
    pub(super) fn has_sent_whole_messages(&self) -> bool {
        self.front.at_boundary()
    }

    /// Bytes that the direct lane received and leaves to whoever reads next. They begin with a message.
    pub(super) fn hand_back(&mut self, bytes: &[u8]) {
        self.client_took_part = false;
        let mut all = BytesMut::from(bytes);
        all.unsplit(std::mem::take(&mut self.handed_back));
        self.handed_back = all;
    }

    /// Whoever uses the line next begins between two messages, in both directions. The end of what was handed back may be the
    /// first part of a message, of which the rest is still to come.
    pub(crate) fn at_boundary(&self) -> bool {
        let reader_is =
            if self.handed_back.is_empty() { self.back.at_boundary() } else { !self.client_took_part };
        self.front.at_boundary() && reader_is
    }

    /// Writes what the kernel takes now. The socket must not be set to wait for bytes: a TLS layer may read while it writes.
    pub(super) fn write(&mut self, tap: &Tap, bytes: &[u8]) -> io::Result<usize> {
        match self.transport.write(bytes) {
            Ok(n) => {
                self.follow_sent(tap, &bytes[..n]);
                Ok(n)
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Err(e),
            Err(e) => Err(self.transport.why_not_sent(e)),
        }
    }

    pub(super) fn follow_sent(&mut self, tap: &Tap, bytes: &[u8]) {
        tap.traffic.sent(bytes.len());
        self.front.feed(bytes, |_| false, |message| tap.sent(&message));
    }

    /// Says goodbye as the protocol wants it, as far as the kernel takes it at once.
    pub(crate) fn say_terminate(&mut self) {
        const TERMINATE: [u8; 5] = [b'X', 0, 0, 0, 4];
        if self.front.at_boundary() {
            let _ = self.transport.write(&TERMINATE);
        }
    }
}

/// Who has the line. The lock is a flag of ownership: it is only ever tried, so nobody waits for it, and a second user
/// finds it taken and gets an error. (Taking the line out of a locked cell and putting it back says the same and costs
/// 500 instructions more per query.)
pub(crate) struct Turnstile(Mutex<Line>);

/// The line in use; free again when dropped.
pub(crate) type Turn<'a> = MutexGuard<'a, Line>;

impl Turnstile {
    pub(crate) fn new(line: Line) -> Self {
        Self(Mutex::new(line))
    }

    /// Takes the line for one operation.
    pub(crate) fn enter(&self) -> Option<Turn<'_>> {
        self.0.try_lock()
    }
}

/// The error of a second user of a line in use.
pub(crate) fn busy() -> io::Error {
    io::Error::other("two threads use one connection at the same time")
}
