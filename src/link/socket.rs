//! A TCP or Unix-domain socket that keeps a deadline and can be cut from any thread.
//!
//! It reads in two ways. While more of a reply is owed it waits in the kernel on the calling thread (`recv`, or `poll` and
//! `recv` under a deadline). Otherwise it takes what is there, and says [`WouldBlock`](io::ErrorKind::WouldBlock) when
//! nothing is.
//!
//! The descriptor is in blocking mode once it is connected; every call that must not block says so by flag.

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

/// Bytes read ahead of what the reader asks for: a small reply in one system call, also under TLS, whose records are
/// read in two parts; a large result in pieces worth the call.
const READ_AHEAD: usize = 4 * 1024;

/// A reader with less room than this is served from what was read ahead.
const WORTH_A_CALL: usize = 4 * 1024;

/// The part of a socket that any thread may hold: look, cut, set a deadline.
pub(crate) struct Socket {
    descriptor: OwnedFd,
    deadlines: Deadlines,
    fault: AtomicU8,
    /// A [`Reading`]; set by the line above, which knows if a reply is owed.
    reading: AtomicU8,
    born: Generation,
}

/// What a read does when nothing has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
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
    /// A socket that is connected or about to be. It is put into blocking mode when [`dial`](super::dial) is done with it.
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

    /// Waits until something of `wanted` is so. Empty flags mean that `patience` has passed, however long it was: what one
    /// `poll` cannot wait for takes several.
    pub(super) fn poll_for(&self, wanted: PollFlags, patience: Option<Duration>) -> io::Result<PollFlags> {
        self.poll_in_slices(wanted, patience, LONGEST_POLL)
    }

    fn poll_in_slices(
        &self,
        wanted: PollFlags,
        patience: Option<Duration>,
        longest: Duration,
    ) -> io::Result<PollFlags> {
        // A moment that no clock can tell is as good as none.
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

    /// Unless the wait is a short one.
    #[inline]
    fn do_what_was_put_off(&self, wanted: PollFlags) -> io::Result<()> {
        #[cfg(feature = "capi")]
        if let Some(until) = deferred::until() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || self.poll_for(wanted, Some(left))?.is_empty() {
                deferred::do_now();
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

    /// Receives what is there.
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

    /// What had come before the connection broke, if any.
    fn receive_left(&self, buffer: &mut [u8]) -> usize {
        rustix::net::recv(self, buffer, RecvFlags::DONTWAIT).map_or(0, |(n, _)| n)
    }

    /// Sends what the kernel takes now.
    fn send_now(&self, bytes: &[u8]) -> io::Result<usize> {
        self.check()?;
        loop {
            match rustix::net::send(self, bytes, SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL)) {
                Ok(n) => return Ok(n),
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return Err(io::ErrorKind::WouldBlock.into()),
                Err(e) => return Err(self.broke(e)),
            }
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

/// One `poll` waits for this at most, so that the time fits any system's type.
const LONGEST_POLL: Duration = Duration::from_secs(3600 * 24);

/// Of a time that is no longer than [`LONGEST_POLL`].
fn timespec(duration: Duration) -> Timespec {
    Timespec { tv_sec: duration.as_secs() as i64, tv_nsec: i64::from(duration.subsec_nanos()) }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// The reading and writing end of a [`Socket`]: one owner at a time, held by the TLS layer or the line above.
pub(crate) struct SocketIo {
    socket: Arc<Socket>,
    /// Empty until a reader has less room than is worth a call, which a session without TLS never has.
    ahead: Box<[u8]>,
    /// The part of `ahead` that was received and not yet handed on.
    start: usize,
    end: usize,
}

impl SocketIo {
    pub(crate) fn new(socket: Arc<Socket>) -> Self {
        Self { socket, ahead: Box::default(), start: 0, end: 0 }
    }

    /// Bytes that were received beyond what has been read from here.
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
    /// A large piece goes to the reader without a copy.
    #[inline]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.holds_bytes() {
            let waits = self.socket.reads_by(Reading::Waiting);
            let straight = buffer.len() >= WORTH_A_CALL;
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
            // The kernel still has what the server sent before it closed, which may say why.
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
    fn a_wait_that_is_over_says_so() {
        let (ours, _theirs) = std::os::unix::net::UnixStream::pair().expect("a socket pair");
        let socket = Socket::new(ours.into());
        for patience in [Duration::ZERO, Duration::from_millis(5)] {
            assert!(socket.poll_for(PollFlags::IN, Some(patience)).expect("a poll").is_empty());
        }
    }
}
