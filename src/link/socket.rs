//! A TCP or Unix-domain socket with a deadline that any thread can cut.
//!
//! It has two modes of reading. While more of a reply is owed a read blocks in the kernel on the calling thread (`recv`, or
//! `poll` and `recv` under a deadline). Otherwise it takes what is there, and returns
//! [`WouldBlock`](io::ErrorKind::WouldBlock) when that is nothing.
//!
//! The descriptor is in blocking mode once it is connected; every call that must not block passes a flag.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::net::{RecvFlags, SendFlags, Shutdown};

use super::deadline::Deadlines;
#[cfg(feature = "capi")]
use super::deferred;
use crate::error::LinkFault;
use crate::sys::fork::Generation;
use crate::sys::socket::{NO_SIGNAL, PEER_CLOSED};

/// Bytes read ahead of the reader's request: a small reply takes one system call, also under TLS, whose records are read in
/// two parts.
const READ_AHEAD: usize = 4 * 1024;

/// The buffer size from which a read bypasses the read-ahead: a piece this large is worth its system call.
const MIN_DIRECT_READ: usize = 4 * 1024;

/// The part of a socket that any thread may hold: poll, cut, set a deadline.
pub(crate) struct Socket {
    descriptor: OwnedFd,
    deadlines: Deadlines,
    fault: AtomicU8,
    /// A [`Reading`]; set by the layer above, which knows if a reply is owed.
    reading: AtomicU8,
    born: Generation,
}

/// The behaviour of a read when nothing has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// Blocks the calling thread.
    Waiting,
    /// Returns [`WouldBlock`](io::ErrorKind::WouldBlock).
    Polling,
}

/// The result of polling an idle connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IdlePoll {
    /// Nothing arrived: no sign of a change.
    Quiet,
    /// The server sent something unsolicited; only a round trip shows what it means.
    Unsolicited,
    /// The server hung up, or the connection failed.
    Closed,
}

impl Socket {
    /// Wraps a socket that is connected or about to be. [`dial`](super::dial) puts it into blocking mode at its end.
    pub(super) fn new(descriptor: OwnedFd) -> Self {
        Self {
            descriptor,
            deadlines: Deadlines::new(),
            fault: AtomicU8::new(0),
            reading: AtomicU8::new(Reading::Waiting as u8),
            born: Generation::watch(),
        }
    }

    pub(crate) fn deadlines(&self) -> &Deadlines {
        &self.deadlines
    }

    /// Sets the behaviour of reads from now on.
    pub(super) fn read_by(&self, reading: Reading) {
        self.reading.store(reading as u8, Ordering::Relaxed);
    }

    fn reads_by(&self, reading: Reading) -> bool {
        self.reading.load(Ordering::Relaxed) == reading as u8
    }

    /// Returns the first fault that ended this connection, if any.
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

    /// Ends the output, so that the server closes its side.
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

    /// Polls with one `poll(2)`. Does not block.
    pub(crate) fn poll_idle(&self) -> IdlePoll {
        if self.fault().is_some() {
            return IdlePoll::Closed;
        }
        match self.poll_for(PollFlags::IN | PEER_CLOSED, Some(Duration::ZERO)) {
            Ok(flags) if flags.is_empty() => IdlePoll::Quiet,
            Ok(flags) if flags.intersects(HANGUP) => IdlePoll::Closed,
            Ok(_) => IdlePoll::Unsolicited,
            Err(_) => IdlePoll::Closed,
        }
    }

    /// Waits until the server has closed its side; `false` when it has not within `patience`.
    pub(crate) fn wait_for_hangup(&self, patience: Duration) -> bool {
        self.poll_for(PEER_CLOSED, Some(patience)).map_or(true, |flags| flags.intersects(HANGUP))
    }

    /// Waits until bytes have come or can be sent, up to the deadline in force.
    pub(super) fn wait_for_room_or_bytes(&self) -> io::Result<PollFlags> {
        self.check()?;
        self.run_deferred_before_wait(PollFlags::IN | PollFlags::OUT)?;
        let left = self.deadlines.current().map(|end| end.saturating_duration_since(Instant::now()));
        let ready = self.poll_for(PollFlags::IN | PollFlags::OUT, left)?;
        if ready.is_empty() { Err(self.deadline_passed()) } else { Ok(ready) }
    }

    /// Waits up to `patience` for bytes; returns whether any came, `false` also when another thread cuts the connection.
    pub(super) fn wait_for_bytes(&self, patience: Duration) -> io::Result<bool> {
        self.check()?;
        Ok(!self.poll_for(PollFlags::IN, Some(patience))?.is_empty())
    }

    /// Waits until bytes can be sent, up to the deadline in force.
    pub(super) fn wait_for_room(&self) -> io::Result<()> {
        self.check()?;
        let left = self.time_left()?;
        if self.poll_for(PollFlags::OUT, left)?.is_empty() {
            Err(self.deadline_passed())
        } else {
            self.check()
        }
    }

    /// Waits until one of the `wanted` flags is set. Empty flags mean that `patience` has passed. A wait too long for one `poll`
    /// takes several.
    pub(super) fn poll_for(&self, wanted: PollFlags, patience: Option<Duration>) -> io::Result<PollFlags> {
        self.poll_in_slices(wanted, patience, LONGEST_POLL)
    }

    fn poll_in_slices(
        &self,
        wanted: PollFlags,
        patience: Option<Duration>,
        longest: Duration,
    ) -> io::Result<PollFlags> {
        // An end too late for an `Instant` is no end.
        let end = patience.and_then(|p| Instant::now().checked_add(p));
        let mut left = if end.is_some() { patience } else { None };
        loop {
            let timeout = left.map(|left| timespec(left.min(longest)));
            let mut descriptors = [PollFd::new(self, wanted)];
            match rustix::event::poll(&mut descriptors, timeout.as_ref()) {
                Ok(0) if left.is_some_and(|left| left <= longest) => return Ok(PollFlags::empty()),
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return Ok(descriptors[0].revents()),
                Err(e) => return Err(e.into()),
            }
            left = end.map(|end| end.saturating_duration_since(Instant::now()));
        }
    }

    /// Runs this thread's deferred act, unless something of `wanted` comes before it is due.
    #[inline]
    fn run_deferred_before_wait(&self, wanted: PollFlags) -> io::Result<()> {
        #[cfg(feature = "capi")]
        if let Some(until) = deferred::until() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || self.poll_for(wanted, Some(left))?.is_empty() {
                deferred::run_deferred();
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

    /// Blocks the calling thread until there is something to receive, if there is a deadline. Without one the receive itself
    /// blocks.
    fn await_readable(&self) -> io::Result<()> {
        self.check()?;
        self.run_deferred_before_wait(PollFlags::IN)?;
        if let Some(left) = self.time_left()?
            && self.poll_for(PollFlags::IN, Some(left))?.is_empty()
        {
            return Err(self.deadline_passed());
        }
        Ok(())
    }

    /// Returns the time left until the deadline in force. Checked before every receive: without that, a server that never stops
    /// sending would never be waited for, and so never exceed the deadline.
    fn time_left(&self) -> io::Result<Option<Duration>> {
        let Some(end) = self.deadlines.current() else { return Ok(None) };
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(self.deadline_passed()) } else { Ok(Some(left)) }
    }

    /// Receives on the calling thread. Blocks up to the deadline.
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

    /// Receives what is there. Does not block.
    fn receive_now(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.check()?;
            self.time_left()?;
            match rustix::net::recv(self, &mut *buffer, RecvFlags::DONTWAIT) {
                Ok((n, _)) => return self.received(n),
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return Err(io::ErrorKind::WouldBlock.into()),
                Err(e) => return Err(self.broke(e)),
            }
        }
    }

    /// Receives bytes that had come before the connection broke, if any.
    fn receive_left(&self, buffer: &mut [u8]) -> usize {
        rustix::net::recv(self, buffer, RecvFlags::DONTWAIT).map_or(0, |(n, _)| n)
    }

    /// Sends what the kernel takes now.
    fn send_now(&self, bytes: &[u8]) -> io::Result<usize> {
        self.check()?;
        loop {
            match rustix::net::send(self, bytes, SendFlags::DONTWAIT.union(NO_SIGNAL)) {
                Ok(n) => return Ok(n),
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return Err(io::ErrorKind::WouldBlock.into()),
                Err(e) => return Err(self.broke(e)),
            }
        }
    }

    fn received(&self, n: usize) -> io::Result<usize> {
        if n == 0 {
            // A cut by this process reads as an end of stream too: report which it was.
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

/// The poll results that mean the connection has ended.
const HANGUP: PollFlags = PEER_CLOSED.union(PollFlags::HUP).union(PollFlags::ERR).union(PollFlags::NVAL);

/// The longest wait of one `poll`, so that the time fits any system's type.
const LONGEST_POLL: Duration = Duration::from_secs(3600 * 24);

/// Converts a time no longer than [`LONGEST_POLL`].
fn timespec(duration: Duration) -> Timespec {
    Timespec { tv_sec: duration.as_secs() as i64, tv_nsec: i64::from(duration.subsec_nanos()) }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// The reading and writing end of a [`Socket`]. It has one owner, the TLS layer or the framing above.
pub(crate) struct SocketIo {
    socket: Arc<Socket>,
    /// Empty until a reader has less room than is worth a call, which a session without TLS never has.
    ahead: Box<[u8]>,
    /// The start of the part of `ahead` that was received and not yet handed on.
    start: usize,
    end: usize,
}

impl SocketIo {
    pub(crate) fn new(socket: Arc<Socket>) -> Self {
        Self { socket, ahead: Box::default(), start: 0, end: 0 }
    }

    /// Returns the bytes that were received but not yet read.
    pub(super) fn held(&self) -> &[u8] {
        &self.ahead[self.start..self.end]
    }

    fn holds_bytes(&self) -> bool {
        self.start < self.end
    }
}

/// The room for what is read ahead, made when it is first needed.
fn room_ahead(ahead: &mut Box<[u8]>) -> &mut [u8] {
    if ahead.is_empty() {
        *ahead = vec![0; READ_AHEAD].into_boxed_slice();
    }
    ahead
}

impl Read for SocketIo {
    /// Reads; a large piece goes to the reader without a copy.
    #[inline]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.holds_bytes() {
            let waits = self.socket.reads_by(Reading::Waiting);
            let straight = buffer.len() >= MIN_DIRECT_READ;
            let target: &mut [u8] = if straight { &mut *buffer } else { room_ahead(&mut self.ahead) };
            let received =
                if waits { self.socket.receive_waiting(target)? } else { self.socket.receive_now(target)? };
            if straight {
                return Ok(received);
            }
            (self.start, self.end) = (0, received);
        }
        let n = (self.end - self.start).min(buffer.len());
        buffer[..n].copy_from_slice(&self.ahead[self.start..self.start + n]);
        self.start += n;
        Ok(n)
    }
}

impl Write for SocketIo {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.socket.send_now(bytes);
        let closed = || self.socket.fault() == Some(LinkFault::ClosedByServer);
        if matches!(&sent, Err(e) if e.kind() != io::ErrorKind::WouldBlock) && closed() && !self.holds_bytes()
        {
            // The kernel still holds what the server sent before it closed, which may give the reason.
            (self.start, self.end) = (0, self.socket.receive_left(room_ahead(&mut self.ahead)));
        }
        sent
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_that_is_longer_than_one_poll_does_not_end_with_it() {
        let (ours, mut theirs) = std::os::unix::net::UnixStream::pair().expect("a socket pair");
        let socket = Socket::new(ours.into());
        std::thread::scope(|scope| {
            scope.spawn(move || {
                std::thread::sleep(Duration::from_millis(20));
                theirs.write_all(b"x").expect("it is open");
            });
            let slice = Duration::from_millis(1);
            let ready = socket.poll_in_slices(PollFlags::IN, Some(Duration::from_secs(60)), slice);
            assert!(ready.expect("a poll").contains(PollFlags::IN));
            let ready = socket.poll_for(PollFlags::IN, Some(Duration::MAX));
            assert!(ready.expect("a poll").contains(PollFlags::IN));
        });
    }

    #[test]
    fn a_wait_that_is_over_returns_empty_flags() {
        let (ours, _theirs) = std::os::unix::net::UnixStream::pair().expect("a socket pair");
        let socket = Socket::new(ours.into());
        for patience in [Duration::ZERO, Duration::from_millis(5)] {
            assert!(socket.poll_for(PollFlags::IN, Some(patience)).expect("a poll").is_empty());
        }
    }
}
