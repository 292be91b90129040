//! The transport with the framing of both directions. The session uses it directly; a guest driver uses it while the session
//! is idle ([`driver_bridge`](super::driver_bridge)).
//!
//! At any moment there is one user: the holder of the [`FramedGuard`].

use std::io::{self, Read, Write};

use crate::sys::sync::{Mutex, MutexGuard};
use bytes::BytesMut;
use openssl::ssl::SslStream;

use super::protocol_state::{Owed, ProtocolState, wants_backend_body};
use super::socket::{Socket, SocketIo};
use super::tls::{ClientCertificate, alert_of, client_certificate, server_end_point};
use crate::error::LinkFault;
use crate::protocol::framing::Framing;

/// The byte stream under the framing.
pub(crate) enum Transport {
    Plain(SocketIo),
    Tls(Box<SslStream<SocketIo>>),
}

/// The negotiated parameters of an encrypted connection, in OpenSSL's names.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Encryption {
    /// `TLSv1.3`, for instance.
    pub version: &'static str,
    /// Empty where OpenSSL has no name for it.
    pub cipher: &'static str,
    /// The server's certificate, in DER.
    pub certificate: Option<Vec<u8>>,
}

impl Transport {
    /// Reads in the socket's present mode: [`WouldBlock`](io::ErrorKind::WouldBlock) when that does not wait and nothing has come.
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

    /// Returns the reason why sending failed. A TLS alert that the server has sent, as when it refuses a certificate, takes the
    /// place of the connection reset that follows it.
    #[cold]
    fn why_not_sent(&mut self, error: io::Error) -> io::Error {
        let Self::Tls(tls) = self else { return error };
        match tls.read(&mut [0; 1]) {
            Err(alert) if alert_of(&alert).is_some() => alert,
            _ => error,
        }
    }

    pub(super) fn encryption(&self) -> Option<Encryption> {
        let Self::Tls(tls) = self else { return None };
        let ssl = tls.ssl();
        let cipher = ssl.current_cipher().map_or("", |cipher| cipher.name());
        let certificate = ssl.peer_certificate().and_then(|shown| shown.to_der().ok());
        Some(Encryption { version: ssl.version_str(), cipher, certificate })
    }

    /// Returns the data that SCRAM binds to (`tls-server-end-point`, RFC 5929); `None` on a plain connection.
    pub(super) fn channel_binding(&self) -> Option<Vec<u8>> {
        match self {
            Self::Plain(_) => None,
            Self::Tls(tls) => server_end_point(tls.ssl()),
        }
    }

    /// Returns what became of the client's certificate; known where `sslcertmode=require`.
    pub(super) fn client_certificate(&self) -> ClientCertificate {
        match self {
            Self::Plain(_) => ClientCertificate::NotAsked,
            Self::Tls(tls) => client_certificate(tls.ssl()),
        }
    }
}

/// A transport whose messages are followed in both directions.
pub(crate) struct Framed {
    pub(super) transport: Transport,
    front: Framing,
    back: Framing,
    /// Bytes that the session received beyond its last reply. The framing has followed them already; the next reader,
    /// session or driver, gets them first.
    handed_back: BytesMut,
    /// Set when a driver has taken part of `handed_back`, so that the rest may begin in the middle of a message.
    client_took_part: bool,
}

impl Framed {
    pub(crate) fn new(transport: Transport) -> Self {
        Self {
            transport,
            front: Framing::frontend(),
            back: Framing::backend(),
            handed_back: BytesMut::new(),
            client_took_part: false,
        }
    }

    /// Lets framing and protocol state follow the bytes received just now.
    ///
    /// Bytes that end the connection are handed on too: they hold the server's reason, or identify a peer that does not use
    /// PostgreSQL's protocol.
    pub(super) fn follow_received(&mut self, socket: &Socket, protocol: &ProtocolState, fresh: &[u8]) {
        protocol.traffic.received(fresh.len());
        self.back.feed(fresh, wants_backend_body, |message| protocol.received(&message));
        if self.back.is_broken() {
            socket.fail(LinkFault::ProtocolBroken);
        } else if protocol.has_ended() {
            socket.fail(LinkFault::ClosedByServer);
        }
        if protocol.owed() == Owed::Nothing {
            socket.deadlines().statement_ends();
        }
    }

    /// Takes up to `room` of the bytes that were handed back.
    pub(super) fn take_handed_back(&mut self, room: usize) -> Option<BytesMut> {
        if self.handed_back.is_empty() {
            return None;
        }
        let n = self.handed_back.len().min(room);
        Some(self.handed_back.split_to(n))
    }

    /// Records whether a driver has taken part of a message that was handed back.
    pub(super) fn is_read_in_part(&mut self, in_part: bool) {
        self.client_took_part = in_part;
    }

    /// Returns whether every message to the server was written whole.
    pub(super) fn has_sent_whole_messages(&self) -> bool {
        self.front.at_boundary()
    }

    /// Leaves bytes that the session received to the next reader. They begin with a message.
    pub(super) fn hand_back(&mut self, bytes: &[u8]) {
        self.client_took_part = false;
        let mut all = BytesMut::from(bytes);
        all.unsplit(std::mem::take(&mut self.handed_back));
        self.handed_back = all;
    }

    /// Returns whether the next user begins between two messages, in both directions. The end of the bytes handed back may be
    /// the first part of a message whose rest is still to come.
    pub(crate) fn at_boundary(&self) -> bool {
        let reader_is =
            if self.handed_back.is_empty() { self.back.at_boundary() } else { !self.client_took_part };
        self.front.at_boundary() && reader_is
    }

    /// Writes what the kernel takes now. The socket must not be in waiting mode: a TLS layer may read while it writes.
    pub(super) fn write(&mut self, protocol: &ProtocolState, bytes: &[u8]) -> io::Result<usize> {
        match self.transport.write(bytes) {
            Ok(n) => {
                self.follow_sent(protocol, &bytes[..n]);
                Ok(n)
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Err(e),
            Err(e) => Err(self.transport.why_not_sent(e)),
        }
    }

    pub(super) fn follow_sent(&mut self, protocol: &ProtocolState, bytes: &[u8]) {
        protocol.traffic.sent(bytes.len());
        self.front.feed(bytes, |_| false, |message| protocol.sent(&message));
    }

    /// Sends `Terminate`, if the kernel takes it at once.
    pub(crate) fn send_terminate(&mut self) {
        const TERMINATE: [u8; 5] = [b'X', 0, 0, 0, 4];
        if self.front.at_boundary() {
            let _ = self.transport.write(&TERMINATE);
        }
    }
}

/// The lock on a [`Framed`]. It is a flag of ownership: it is only ever tried, so no thread waits for it, and a second user
/// gets an error. (Taking the value out of a locked cell and putting it back is equivalent and costs 500 instructions more
/// per query.)
pub(crate) struct FramedLock(Mutex<Framed>);

/// Exclusive use of a [`Framed`]; released when dropped.
pub(crate) type FramedGuard<'a> = MutexGuard<'a, Framed>;

impl FramedLock {
    pub(crate) fn new(framed: Framed) -> Self {
        Self(Mutex::new(framed))
    }

    /// Takes the lock for one operation; `None` when it is taken.
    pub(crate) fn try_lock(&self) -> Option<FramedGuard<'_>> {
        self.0.try_lock()
    }
}

/// The error of a second user of a link in use.
pub(crate) fn busy() -> io::Error {
    io::Error::other("two threads use one connection at the same time")
}
