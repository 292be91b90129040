//! A TCP or Unix-domain socket whose descriptor we know, that keeps a deadline and can be cut from any thread.
//!
//! It reads in three ways. While more of a reply is owed it waits in the kernel on the calling thread (`recv`, or `poll`
//! and `recv` under a deadline): the runtime of `postgres::Client` would spend an `epoll_wait` on the same wait, and the
//! direct lane has no runtime. Otherwise (the first bytes of a reply, notifications, a COPY that is fed meanwhile) it
//! goes through the client's own runtime, where it is registered; or takes what is there, for the direct lane.
//!
//! The descriptor is put into blocking mode after registration; every call that must not block says so by flag.

use std::io;
use std::mem;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::net::{RecvFlags, SendFlags, Shutdown};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use super::deadline::Deadlines;
#[cfg(feature = "capi")]
use super::put_off;
use crate::error::LinkFault;
use crate::ffi::fork::Generation;

/// Bytes read ahead of what the reader asks for: a small reply in one system call, also under TLS, whose records are
/// read in two parts; a large result in pieces worth the call.
const READ_AHEAD: usize = 4 * 1024;

/// A reader with less room than this is served from what was read ahead.
const WORTH_A_CALL: usize = 4 * 1024;

enum Io {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// The part of a socket that any thread may hold: look, cut, set a deadline.
pub(crate) struct Socket {
    io: Io,
    deadlines: Deadlines,
    fault: AtomicU8,
    /// A [`Reading`]; set by the line above, which knows if a reply is owed.
    reading: AtomicU8,
    born: Generation,
}

/// What a read does when nothing has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// It leaves; the runtime wakes the task when something comes.
    Awaking,
    /// It waits on the calling thread.
    Waiting,
    /// It leaves.
    Glancing,
}

/// What one glance at an idle connection shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// Nothing arrived: as alive as it was.
    Quiet,
    /// The server said something unasked; only a round trip tells what it means.
    Spoke,
    /// The server hung up, or the connection failed.
    Gone,
}

impl Socket {
    pub(crate) fn tcp(stream: TcpStream) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&stream, false)?;
        Ok(Self::new(Io::Tcp(stream)))
    }

    pub(crate) fn unix(stream: UnixStream) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&stream, false)?;
        Ok(Self::new(Io::Unix(stream)))
    }

    fn new(io: Io) -> Self {
        Self {
            io,
            deadlines: Deadlines::new(),
            fault: AtomicU8::new(0),
            reading: AtomicU8::new(Reading::Awaking as u8),
            born: Generation::watch(),
        }
    }

    pub(crate) fn deadlines(&self) -> &Deadlines {
        &self.deadlines
    }

    /// How reads behave from now on.
    pub(super) fn read_by(&self, reading: Reading) {
        self.reading.store(reading as u8, Ordering::Relaxed);
    }

    fn reads_by(&self, reading: Reading) -> bool {
        self.reading.load(Ordering::Relaxed) == reading as u8
    }

    /// The first thing that ended this connection, if anything did.
    pub(crate) fn fault(&self) -> Option<LinkFault> {
        if self.born.is_past() {
            return Some(LinkFault::Forked);
        }
        LinkFault::from_word(self.fault.load(Ordering::Acquire))
    }

    /// Records what ended the connection; the first fault stays.
    pub(crate) fn fail(&self, fault: LinkFault) {
        let _ = self.fault.compare_exchange(0, fault.to_word(), Ordering::AcqRel, Ordering::Relaxed);
    }

    /// Ends the connection from any thread: a call blocked on it returns at once with `fault`.
    pub(crate) fn cut(&self, fault: LinkFault) {
        if self.born.is_past() {
            return;
        }
        self.fail(fault);
        let _ = rustix::net::shutdown(self, Shutdown::Both);
    }

    /// Says to the server that nothing more will come, and lets it close its side.
    pub(crate) fn finish_writing(&self) {
        if !self.born.is_past() {
            let _ = rustix::net::shutdown(self, Shutdown::Write);
        }
    }

    /// Makes the close that follows a reset, so that nothing lingers in the kernel for a peer that does not answer.
    pub(crate) fn reset_on_close(&self) {
        if !self.born.is_past() {
            let _ = socket2::SockRef::from(self).set_linger(Some(Duration::ZERO));
        }
    }

    /// One `poll(2)` without waiting.
    pub(crate) fn look(&self) -> Look {
        if self.fault().is_some() {
            return Look::Gone;
        }
        match self.poll_for(PollFlags::IN | PollFlags::RDHUP, Some(Duration::ZERO)) {
            Ok(flags) if flags.is_empty() => Look::Quiet,
            Ok(flags) if flags.intersects(GONE) => Look::Gone,
            Ok(_) => Look::Spoke,
            Err(_) => Look::Gone,
        }
    }

    /// Waits until the server has closed its side; `false` when it has not within `patience`.
    pub(crate) fn wait_for_hangup(&self, patience: Duration) -> bool {
        self.poll_for(PollFlags::RDHUP, Some(patience)).map_or(true, |flags| flags.intersects(GONE))
    }

    /// Waits until bytes have come or can be sent, up to the deadline in force.
    pub(super) fn wait_for_room_or_bytes(&self) -> io::Result<PollFlags> {
        self.check()?;
        self.do_what_was_put_off(PollFlags::IN | PollFlags::OUT)?;
        let left = self.deadlines.current().map(|end| end.saturating_duration_since(Instant::now()));
        let ready = self.poll_for(PollFlags::IN | PollFlags::OUT, left)?;
        if ready.is_empty() { Err(self.deadline_passed()) } else { Ok(ready) }
    }

    /// Whether bytes come within `patience`; `false` also when another thread cuts the connection.
    pub(super) fn wait_for_bytes(&self, patience: Duration) -> io::Result<bool> {
        self.check()?;
        Ok(!self.poll_for(PollFlags::IN, Some(patience))?.is_empty())
    }

    fn poll_for(&self, wanted: PollFlags, patience: Option<Duration>) -> io::Result<PollFlags> {
        // A moment that no clock can tell is as good as none.
        let end = patience.and_then(|p| Instant::now().checked_add(p));
        loop {
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            let timeout = left.map(timespec);
            let mut descriptors = [PollFd::new(self, wanted)];
            match rustix::event::poll(&mut descriptors, timeout.as_ref()) {
                Ok(_) => return Ok(descriptors[0].revents()),
                Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// Unless the wait is a short one.
    #[inline]
    fn do_what_was_put_off(&self, wanted: PollFlags) -> io::Result<()> {
        #[cfg(feature = "capi")]
        if let Some(until) = put_off::until() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || self.poll_for(wanted, Some(left))?.is_empty() {
                put_off::do_now();
            }
        }
        #[cfg(not(feature = "capi"))]
        let _ = wanted;
        Ok(())
    }

    fn check(&self) -> io::Result<()> {
        match self.fault() {
            Some(fault) => Err(fault.into()),
            None => Ok(()),
        }
    }

    /// Waits on the calling thread until there is something to receive, if there is a deadline to watch. Without one the
    /// receive itself waits.
    fn await_readable(&self) -> io::Result<()> {
        self.check()?;
        self.do_what_was_put_off(PollFlags::IN)?;
        if let Some(left) = self.time_left()?
            && self.poll_for(PollFlags::IN, Some(left))?.is_empty()
        {
            return Err(self.deadline_passed());
        }
        Ok(())
    }

    /// What is left until the deadline in force. Asked before every receive, since a server that never stops sending
    /// would otherwise never be waited for, and so never be late.
    fn time_left(&self) -> io::Result<Option<Duration>> {
        let Some(end) = self.deadlines.current() else { return Ok(None) };
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(self.deadline_passed()) } else { Ok(Some(left)) }
    }

    /// Receives on the calling thread, waiting up to the deadline.
    fn receive_waiting(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.await_readable()?;
            match rustix::net::recv(self, &mut *buffer, RecvFlags::empty()) {
                Ok((n, _)) => return self.received(n),
                Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
                Err(e) => return Err(self.broke(e)),
            }
        }
    }

    /// Receives on the calling thread straight into the reader's buffer; `None` when the runtime does not let it.
    fn receive_direct(&self, buffer: &mut ReadBuf<'_>) -> io::Result<Option<usize>> {
        self.await_readable()?;
        let received = if buffer.initialized().len() == buffer.capacity() {
            let received = rustix::net::recv(self, buffer.initialize_unfilled(), RecvFlags::empty());
            received.map_err(io::Error::from).map(|(n, _)| {
                buffer.advance(n);
                n
            })
        } else {
            // Memory that was never written to: only the runtime's own call takes it, if it believes the socket ready.
            match &self.io {
                Io::Tcp(s) => s.try_read_buf(buffer),
                Io::Unix(s) => s.try_read_buf(buffer),
            }
        };
        match received {
            Ok(n) => self.received(n).map(Some),
            Err(e) if retry(&e) => Ok(None),
            Err(e) => Err(self.broke(e)),
        }
    }

    /// A short read emptied the socket. Telling the runtime so saves the `recv` that would find nothing; new data makes
    /// a new event, since the registration is edge-triggered.
    fn forget_readiness(&self) {
        let _ = self.try_io::<()>(Interest::READABLE, || Err(io::ErrorKind::WouldBlock.into()));
    }

    /// Receives what is there.
    fn receive_now(&self, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            self.check()?;
            self.time_left()?;
            match rustix::net::recv(self, &mut *buffer, RecvFlags::DONTWAIT) {
                Ok((n, _)) => return Poll::Ready(self.received(n)),
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return Poll::Pending,
                Err(e) => return Poll::Ready(Err(self.broke(e))),
            }
        }
    }

    /// What had come before the connection broke, if any.
    fn receive_left(&self, buffer: &mut [u8]) -> usize {
        rustix::net::recv(self, buffer, RecvFlags::DONTWAIT).map_or(0, |(n, _)| n)
    }

    /// Receives what is there, or has the runtime wake the task when something is.
    fn poll_receive(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            self.check()?;
            self.time_left()?;
            match &self.io {
                Io::Tcp(s) => ready!(s.poll_read_ready(cx))?,
                Io::Unix(s) => ready!(s.poll_read_ready(cx))?,
            }
            let receive = || Ok(rustix::net::recv(self, &mut *buffer, RecvFlags::DONTWAIT)?.0);
            match self.try_io(Interest::READABLE, receive) {
                Ok(n) => return Poll::Ready(self.received(n)),
                Err(e) if retry(&e) => {}
                Err(e) => return Poll::Ready(Err(self.broke(e))),
            }
        }
    }

    /// Sends what the kernel takes now; otherwise the runtime wakes the task when there is room.
    fn poll_send(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        const FLAGS: SendFlags = SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL);
        self.check()?;
        loop {
            match rustix::net::send(self, bytes, FLAGS) {
                Ok(n) => return Poll::Ready(Ok(n)),
                Err(rustix::io::Errno::INTR) => continue,
                Err(rustix::io::Errno::AGAIN) => {}
                Err(e) => return Poll::Ready(Err(self.broke(e))),
            }
            match &self.io {
                Io::Tcp(s) => ready!(s.poll_write_ready(cx))?,
                Io::Unix(s) => ready!(s.poll_write_ready(cx))?,
            }
            // Readiness is only forgotten through the runtime's own `try_io`; asking there as well avoids spinning.
            match self.try_io(Interest::WRITABLE, || Ok(rustix::net::send(self, bytes, FLAGS)?)) {
                Ok(n) => return Poll::Ready(Ok(n)),
                Err(e) if retry(&e) => {}
                Err(e) => return Poll::Ready(Err(self.broke(e))),
            }
        }
    }

    fn try_io<T>(&self, interest: Interest, f: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        match &self.io {
            Io::Tcp(s) => s.try_io(interest, f),
            Io::Unix(s) => s.try_io(interest, f),
        }
    }

    fn received(&self, n: usize) -> io::Result<usize> {
        if n == 0 {
            // A cut by our own hand reads as an end of stream too: say who did it.
            self.check()?;
            self.fail(LinkFault::ClosedByServer);
        }
        Ok(n)
    }

    fn broke(&self, error: impl Into<io::Error>) -> io::Error {
        if let Err(earlier) = self.check() {
            return earlier;
        }
        self.fail(LinkFault::ClosedByServer);
        error.into()
    }

    pub(super) fn deadline_passed(&self) -> io::Error {
        self.fail(LinkFault::DeadlinePassed);
        LinkFault::DeadlinePassed.into()
    }
}

const GONE: PollFlags = PollFlags::RDHUP.union(PollFlags::HUP).union(PollFlags::ERR).union(PollFlags::NVAL);

fn retry(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

/// Rounded up, so that a deadline is never missed early; bounded, so that it fits any system's type.
fn timespec(duration: Duration) -> Timespec {
    const LONGEST: Duration = Duration::from_secs(3600 * 24);
    let duration = duration.min(LONGEST);
    Timespec { tv_sec: duration.as_secs() as i64, tv_nsec: i64::from(duration.subsec_nanos()) }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.io {
            Io::Tcp(s) => s.as_fd(),
            Io::Unix(s) => s.as_fd(),
        }
    }
}

/// The reading and writing end of a [`Socket`]: one owner at a time, held by the TLS layer or the line above.
pub(crate) struct SocketIo {
    socket: Arc<Socket>,
    ahead: Box<[u8]>,
    /// The part of `ahead` that was received and not yet handed on.
    start: usize,
    end: usize,
    /// The last receive emptied the socket.
    drained: bool,
}

impl SocketIo {
    pub(crate) fn new(socket: Arc<Socket>) -> Self {
        let ahead = vec![0; READ_AHEAD].into_boxed_slice();
        Self { socket, ahead, start: 0, end: 0, drained: false }
    }

    /// Bytes were received beyond what has been read from here.
    pub(crate) fn holds_bytes(&self) -> bool {
        self.start < self.end
    }

    /// Receives ahead of the reader.
    fn fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let received = if self.socket.reads_by(Reading::Waiting) {
            self.socket.receive_waiting(&mut self.ahead)?
        } else if self.socket.reads_by(Reading::Glancing) {
            ready!(self.socket.receive_now(&mut self.ahead))?
        } else {
            if mem::take(&mut self.drained) {
                self.socket.forget_readiness();
            }
            ready!(self.socket.poll_receive(cx, &mut self.ahead))?
        };
        self.drained = received < self.ahead.len();
        (self.start, self.end) = (0, received);
        Poll::Ready(Ok(()))
    }
}

impl SocketIo {
    /// The middle of a large result goes to the reader without a copy, if it has room for a piece worth the call.
    fn receive_direct(&mut self, buffer: &mut ReadBuf<'_>) -> io::Result<bool> {
        let room = buffer.remaining();
        if room < WORTH_A_CALL || !self.socket.reads_by(Reading::Waiting) {
            return Ok(false);
        }
        let received = self.socket.receive_direct(buffer)?;
        self.drained = received.is_some_and(|n| n < room);
        Ok(received.is_some())
    }
}

impl AsyncRead for SocketIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.holds_bytes() {
            if self.receive_direct(buffer)? {
                return Poll::Ready(Ok(()));
            }
            ready!(self.fill(cx))?;
        }
        let n = (self.end - self.start).min(buffer.remaining());
        buffer.put_slice(&self.ahead[self.start..self.start + n]);
        self.start += n;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for SocketIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let sent = this.socket.poll_send(cx, bytes);
        let closed = || this.socket.fault() == Some(LinkFault::ClosedByServer);
        if matches!(sent, Poll::Ready(Err(_))) && closed() && !this.holds_bytes() {
            // The kernel still has what the server sent before it closed, which may say why.
            (this.start, this.end) = (0, this.socket.receive_left(&mut this.ahead));
        }
        sent
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.finish_writing();
        Poll::Ready(Ok(()))
    }
}
