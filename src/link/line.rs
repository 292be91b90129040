//! The line: transport and framing of both directions. `postgres::Client` uses it through its stream; a second lane
//! that speaks the protocol itself can use the same line whenever the client is at rest.
//!
//! At any moment one user has the line: whoever passes its [`Turnstile`].

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use parking_lot::{Mutex, MutexGuard};
use postgres::tls::{ChannelBinding, TlsStream as _};
use postgres_openssl::TlsStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::deadline::Alarm;
use super::framing::Framing;
use super::socket::{Reading, Socket, SocketIo};
use super::tap::{Owed, Tap, wants_backend_body};
use super::tls::alert_of;
use crate::error::LinkFault;

pub(crate) enum Transport {
    Plain(SocketIo),
    Tls(Box<TlsStream<SocketIo>>),
}

impl Transport {
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(io) => Pin::new(io).poll_read(cx, buffer),
            Self::Tls(tls) => Pin::new(tls.as_mut()).poll_read(cx, buffer),
        }
    }

    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(io) => Pin::new(io).poll_write(cx, bytes),
            Self::Tls(tls) => Pin::new(tls.as_mut()).poll_write(cx, bytes),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(io) => Pin::new(io).poll_flush(cx),
            Self::Tls(tls) => Pin::new(tls.as_mut()).poll_flush(cx),
        }
    }

    /// Why nothing can be sent any more: where the server said that by an alert of TLS, which has come already, as it does when
    /// it refuses a certificate, the alert and not that the connection was reset thereafter.
    fn why_not_sent(&mut self, cx: &mut Context<'_>, error: io::Error) -> io::Error {
        let Self::Tls(tls) = self else { return error };
        let mut byte = [0; 1];
        match Pin::new(tls.as_mut()).poll_read(cx, &mut ReadBuf::new(&mut byte)) {
            Poll::Ready(Err(alert)) if alert_of(&alert).is_some() => alert,
            _ => error,
        }
    }
}

pub(crate) struct Line {
    pub(super) transport: Transport,
    front: Framing,
    back: Framing,
    /// The kernel took no more of a request: the reply cannot be waited for until it does.
    write_stalled: bool,
    alarm: Alarm,
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
            write_stalled: false,
            alarm: Alarm::default(),
            handed_back: BytesMut::new(),
            client_took_part: false,
        }
    }

    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        socket: &Socket,
        tap: &Tap,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(n) = self.take_handed_back(buffer.remaining()) {
            buffer.put_slice(&n);
            self.client_took_part = true;
            return Poll::Ready(Ok(()));
        }
        let reply_owed = tap.owed() == Owed::Replies && !tap.in_copy_in();
        let may_wait = reply_owed && !self.write_stalled && self.front.at_boundary();
        socket.read_by(if may_wait { Reading::Waiting } else { Reading::Awaking });
        let before = buffer.filled().len();
        let read = self.transport.poll_read(cx, buffer);
        ready!(self.or_deadline(cx, socket, read))?;
        Poll::Ready(self.follow_received(socket, tap, &buffer.filled()[before..]))
    }

    /// Has framing and tap follow what was received just now.
    pub(super) fn follow_received(&mut self, socket: &Socket, tap: &Tap, fresh: &[u8]) -> io::Result<()> {
        tap.traffic.received(fresh.len());
        self.back.feed(fresh, wants_backend_body, |message| tap.received(&message));
        if self.back.is_broken() {
            socket.fail(LinkFault::ProtocolBroken);
            return Err(LinkFault::ProtocolBroken.into());
        }
        if tap.has_ended() {
            // What was read is still handed on: it holds the server's reason.
            socket.fail(LinkFault::ClosedByServer);
        }
        if tap.owed() == Owed::Nothing {
            socket.deadlines().statement_ends();
        }
        Ok(())
    }

    /// Up to `room` bytes that the direct lane received too much of.
    pub(super) fn take_handed_back(&mut self, room: usize) -> Option<BytesMut> {
        if self.handed_back.is_empty() {
            return None;
        }
        let n = self.handed_back.len().min(room);
        Some(self.handed_back.split_to(n))
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

    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        socket: &Socket,
        tap: &Tap,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if tap.owed() == Owed::Nothing && self.front.at_boundary() && !self.write_stalled {
            socket.deadlines().statement_starts();
        }
        // A TLS layer may read while it writes; it must not wait for a reply that this write has yet to ask for.
        socket.read_by(Reading::Awaking);
        let sent = match self.transport.poll_write(cx, bytes) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.transport.why_not_sent(cx, error))),
            sent => sent,
        };
        self.write_stalled = sent.is_pending();
        let n = ready!(self.or_deadline(cx, socket, sent))?;
        self.follow_sent(tap, &bytes[..n]);
        Poll::Ready(Ok(n))
    }

    pub(super) fn follow_sent(&mut self, tap: &Tap, bytes: &[u8]) {
        tap.traffic.sent(bytes.len());
        self.front.feed(bytes, |_| false, |message| tap.sent(&message));
    }

    /// The client's runtime sleeps after a flush until the reply comes: it has to wake at the deadline too.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>, socket: &Socket) -> Poll<io::Result<()>> {
        ready!(self.transport.poll_flush(cx))?;
        match self.or_deadline(cx, socket, Poll::Pending) {
            Poll::Ready(passed) => Poll::Ready(passed),
            Poll::Pending => Poll::Ready(Ok(())),
        }
    }

    /// What is pending ends at the deadline in force.
    fn or_deadline<T>(
        &mut self,
        cx: &mut Context<'_>,
        socket: &Socket,
        work: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if work.is_ready() {
            return work;
        }
        let deadline = socket.deadlines().current();
        if (deadline.is_some() || self.alarm.is_set()) && self.alarm.poll(cx, deadline).is_ready() {
            return Poll::Ready(Err(socket.deadline_passed()));
        }
        work
    }

    pub(crate) fn channel_binding(&self) -> ChannelBinding {
        match &self.transport {
            Transport::Plain(_) => ChannelBinding::none(),
            Transport::Tls(tls) => tls.channel_binding(),
        }
    }

    /// Says goodbye as the protocol wants it, as far as the kernel takes it at once.
    pub(crate) fn say_terminate(&mut self) {
        const TERMINATE: [u8; 5] = [b'X', 0, 0, 0, 4];
        if self.front.at_boundary() {
            let mut cx = Context::from_waker(std::task::Waker::noop());
            let _ = self.transport.poll_write(&mut cx, &TERMINATE);
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
