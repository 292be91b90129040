//! The stream that a guest's client reads and writes.

use std::future::Future;
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;

use crate::sys::sync::Mutex;
use postgres::tls::{ChannelBinding, TlsStream};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use crate::connect::startup::SessionStart;
use crate::link::Link;
use crate::link::driver_bridge::Driver;

/// A client's slot on the link. Its lock is a flag of ownership: it is only ever tried.
pub(super) struct Slot {
    /// `None` once the client's use has ended.
    driver: Option<Driver>,
    start: StartPacket,
    /// The answer to the client's start-up packet, as far as it is still unread.
    unread_answer: Vec<u8>,
    /// The waker of a client that reads before it has written.
    early_reader: Option<Waker>,
}

impl Slot {
    pub(super) fn new(link: &Link, start: &SessionStart) -> Self {
        Self {
            driver: Some(Driver::new(link.clone())),
            start: StartPacket::default(),
            unread_answer: start_answer(start),
            early_reader: None,
        }
    }

    /// Ends the client's use. Returns the names of the statements that it leaves on the server.
    pub(super) fn leave(&mut self) -> Vec<String> {
        self.unread_answer.clear();
        self.driver.take().map_or_else(Vec::new, Driver::leave)
    }
}

/// Makes the answer to a start-up packet: `AuthenticationOk`, the settings, the key and `ReadyForQuery`.
fn start_answer(start: &SessionStart) -> Vec<u8> {
    let mut answer = Vec::new();
    let mut put = |kind: u8, body: &[u8]| {
        answer.push(kind);
        answer.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
        answer.extend_from_slice(body);
    };
    put(b'R', &[0; 4]);
    for (name, value) in start.parameters() {
        put(b'S', &[name, b"\0", value, b"\0"].concat());
    }
    if let Some(key) = start.key() {
        // The client reads four bytes of any key; its own cancel requests reach no server in any case.
        let secret = key.secret.first_chunk::<4>().copied().unwrap_or_default();
        put(b'K', &[key.process_id.to_be_bytes(), secret].concat());
    }
    put(b'Z', b"I");
    answer
}

/// A counter of the bytes of the client's start-up packet, which is discarded.
#[derive(Default)]
struct StartPacket {
    head: [u8; 4],
    seen: usize,
}

impl StartPacket {
    fn length(&self) -> Option<usize> {
        (self.seen >= 4).then(|| (u32::from_be_bytes(self.head) as usize).max(4))
    }

    fn is_whole(&self) -> bool {
        self.length() == Some(self.seen)
    }

    /// Discards the packet's bytes at the beginning of `bytes`, and returns their number.
    fn discard(&mut self, bytes: &[u8]) -> usize {
        let mut n = 0;
        while n < bytes.len() && self.seen < 4 {
            self.head[self.seen] = bytes[n];
            (n, self.seen) = (n + 1, self.seen + 1);
        }
        let left = self.length().map_or(0, |length| length - self.seen).min(bytes.len() - n);
        self.seen += left;
        n + left
    }
}

/// The link's socket, on which the client's runtime waits.
struct Descriptor(Link);

impl AsRawFd for Descriptor {
    fn as_raw_fd(&self) -> RawFd {
        self.0.descriptor().as_fd().as_raw_fd()
    }
}

/// The stream that the client takes for its TLS connection.
pub(super) struct GuestStream {
    slot: Arc<Mutex<Slot>>,
    readiness: AsyncFd<Descriptor>,
    timer: DeadlineTimer,
}

fn has_left() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the client's use of the connection has ended")
}

fn taken() -> io::Error {
    io::Error::other("two threads use one connection at the same time")
}

impl GuestStream {
    /// Makes the stream. Called within the client's runtime.
    pub(super) fn new(slot: Arc<Mutex<Slot>>) -> io::Result<Self> {
        let link = slot.try_lock().and_then(|slot| slot.driver.as_ref().map(|driver| driver.link().clone()));
        let link = link.ok_or_else(taken)?;
        // It is deprecated because a descriptor could be closed while it is registered: this one is the link's, which is kept
        // alive, and never changes.
        #[allow(deprecated)]
        let readiness = AsyncFd::new(Descriptor(link))?;
        Ok(Self { slot, readiness, timer: DeadlineTimer::default() })
    }
}

impl AsyncRead for GuestStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let Some(mut slot) = this.slot.try_lock() else { return Poll::Ready(Err(taken())) };
        let slot = &mut *slot;
        // Once its use has ended, the client reads the end of the stream.
        let Some(driver) = &mut slot.driver else { return Poll::Ready(Ok(())) };
        if !slot.unread_answer.is_empty() {
            if !slot.start.is_whole() {
                slot.early_reader = Some(cx.waker().clone());
                return Poll::Pending;
            }
            let n = slot.unread_answer.len().min(buffer.remaining());
            buffer.put_slice(&slot.unread_answer[..n]);
            slot.unread_answer.drain(..n);
            return Poll::Ready(Ok(()));
        }
        let room = buffer.initialize_unfilled();
        loop {
            match driver.read(room) {
                Ok(n) => {
                    buffer.advance(n);
                    return Poll::Ready(Ok(()));
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) => return Poll::Ready(Err(e)),
            }
            match this.readiness.poll_read_ready(cx) {
                // It may be a stale one: clear it and read again.
                Poll::Ready(ready) => ready?.clear_ready(),
                Poll::Pending => return this.timer.or_deadline(cx, driver),
            }
        }
    }
}

impl AsyncWrite for GuestStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let Some(mut slot) = this.slot.try_lock() else { return Poll::Ready(Err(taken())) };
        let slot = &mut *slot;
        let Some(driver) = &mut slot.driver else { return Poll::Ready(Ok(bytes.len())) };
        if !slot.start.is_whole() {
            let n = slot.start.discard(bytes);
            if let Some(waker) = slot.early_reader.take() {
                waker.wake();
            }
            return Poll::Ready(Ok(n));
        }
        loop {
            match driver.write(bytes) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
            match this.readiness.poll_write_ready(cx) {
                Poll::Ready(ready) => ready?.clear_ready(),
                Poll::Pending => return this.timer.or_deadline(cx, driver).map(|passed| passed.map(|()| 0)),
            }
        }
    }

    /// Arms the deadline: the client's runtime sleeps after a flush until the reply comes, and has to wake at the deadline too.
    /// Fails once the client's use has ended: a client with a leaked reader of rows reads nothing more, but it still flushes,
    /// and its drop waits until its connection ends.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let Some(mut slot) = this.slot.try_lock() else { return Poll::Ready(Err(taken())) };
        let Some(driver) = &mut slot.driver else { return Poll::Ready(Err(has_left())) };
        match this.timer.or_deadline(cx, driver) {
            Poll::Ready(passed) => Poll::Ready(passed),
            Poll::Pending => Poll::Ready(Ok(())),
        }
    }

    /// Does nothing: the client must not end the session.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl TlsStream for GuestStream {
    /// Returns none: authentication is over.
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

/// A timer that wakes a task at the deadline in force. It is polled only while something is awaited.
#[derive(Default)]
struct DeadlineTimer(Option<Pin<Box<Sleep>>>);

impl DeadlineTimer {
    /// Returns `Pending` until the deadline in force has passed, and then its error.
    fn or_deadline(&mut self, cx: &mut Context<'_>, driver: &Driver) -> Poll<io::Result<()>> {
        let deadline = driver.deadline();
        if deadline.is_some() || self.0.is_some() {
            ready!(self.poll(cx, deadline));
            return Poll::Ready(Err(driver.deadline_passed()));
        }
        Poll::Pending
    }

    /// Returns `Ready` once `deadline` has passed. Otherwise the task will be woken then, if there is a deadline.
    fn poll(&mut self, cx: &mut Context<'_>, deadline: Option<Instant>) -> Poll<()> {
        let Some(end) = deadline.map(tokio::time::Instant::from_std) else {
            self.0 = None;
            return Poll::Pending;
        };
        let sleep = self.0.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(end)));
        if sleep.deadline() != end {
            sleep.as_mut().reset(end);
        }
        sleep.as_mut().poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_up_packet_is_discarded_wherever_it_is_cut_and_no_more_than_it() {
        let packet = b"\0\0\0\x0c\0\x03\0\0abc\0";
        for cut in 0..=packet.len() {
            let mut start = StartPacket::default();
            assert_eq!(start.discard(&packet[..cut]), cut);
            let rest = [&packet[cut..], b"Q\0\0\0\x05\0"].concat();
            assert_eq!(start.discard(&rest), packet.len() - cut);
            assert!(start.is_whole(), "cut at {cut}");
        }
    }
}
