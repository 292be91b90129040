//! The stream that a guest's client reads and writes.

use std::future::Future;
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;

use parking_lot::Mutex;
use postgres::tls::{ChannelBinding, TlsStream};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use crate::connect::startup::SessionStart;
use crate::link::Link;
use crate::link::driver_bridge::Driver;

/// A client's place on the link. Its lock is a flag of ownership: it is only ever tried.
pub(super) struct Seat {
    /// `None` once the client has had to go.
    driver: Option<Driver>,
    start: StartPacket,
    /// What the client is told in answer to its start-up packet, as far as it has not read it yet.
    told: Vec<u8>,
    /// The client reads before it has written.
    early_reader: Option<Waker>,
}

impl Seat {
    pub(super) fn new(link: &Link, start: &SessionStart) -> Self {
        Self {
            driver: Some(Driver::new(link.clone())),
            start: StartPacket::default(),
            told: welcome(start),
            early_reader: None,
        }
    }

    /// The client has to go. Returns the names of the statements that it leaves on the server.
    pub(super) fn leave(&mut self) -> Vec<String> {
        self.told.clear();
        self.driver.take().map_or_else(Vec::new, Driver::leave)
    }
}

/// `AuthenticationOk`, the settings, the key and `ReadyForQuery`.
fn welcome(start: &SessionStart) -> Vec<u8> {
    let mut told = Vec::new();
    let mut say = |kind: u8, body: &[u8]| {
        told.push(kind);
        told.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
        told.extend_from_slice(body);
    };
    say(b'R', &[0; 4]);
    for (name, value) in start.parameters() {
        say(b'S', &[name, b"\0", value, b"\0"].concat());
    }
    if let Some(key) = start.key() {
        // The client takes four bytes of a key, whatever it is; its own cancel requests reach no server in any case.
        let secret = key.secret.first_chunk::<4>().copied().unwrap_or_default();
        say(b'K', &[key.process_id.to_be_bytes(), secret].concat());
    }
    say(b'Z', b"I");
    told
}

/// Counts the bytes of the client's start-up packet, which goes nowhere.
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

    /// How many of these bytes belong to it.
    fn swallow(&mut self, bytes: &[u8]) -> usize {
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

/// The link's socket, for the client's runtime to wait for.
struct Descriptor(Link);

impl AsRawFd for Descriptor {
    fn as_raw_fd(&self) -> RawFd {
        self.0.descriptor().as_fd().as_raw_fd()
    }
}

pub(super) struct GuestStream {
    seat: Arc<Mutex<Seat>>,
    readiness: AsyncFd<Descriptor>,
    alarm: Alarm,
}

fn taken() -> io::Error {
    io::Error::other("two threads use one connection at the same time")
}

impl GuestStream {
    /// Within the client's runtime.
    pub(super) fn new(seat: Arc<Mutex<Seat>>) -> io::Result<Self> {
        let link = seat.try_lock().and_then(|seat| seat.driver.as_ref().map(|driver| driver.link().clone()));
        let link = link.ok_or_else(taken)?;
        // What is deprecated of it is that a descriptor could be closed while it is registered: this one is the link's, which
        // is kept alive, and never another.
        #[allow(deprecated)]
        let readiness = AsyncFd::new(Descriptor(link))?;
        Ok(Self { seat, readiness, alarm: Alarm::default() })
    }
}

impl AsyncRead for GuestStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let Some(mut seat) = this.seat.try_lock() else { return Poll::Ready(Err(taken())) };
        let seat = &mut *seat;
        // Once it had to go it finds the end of the stream.
        let Some(driver) = &mut seat.driver else { return Poll::Ready(Ok(())) };
        if !seat.told.is_empty() {
            if !seat.start.is_whole() {
                seat.early_reader = Some(cx.waker().clone());
                return Poll::Pending;
            }
            let n = seat.told.len().min(buffer.remaining());
            buffer.put_slice(&seat.told[..n]);
            seat.told.drain(..n);
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
                // It may be an old one: forgotten, and looked again.
                Poll::Ready(ready) => ready?.clear_ready(),
                Poll::Pending => return this.alarm.or_deadline(cx, driver),
            }
        }
    }
}

impl AsyncWrite for GuestStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let Some(mut seat) = this.seat.try_lock() else { return Poll::Ready(Err(taken())) };
        let seat = &mut *seat;
        let Some(driver) = &mut seat.driver else { return Poll::Ready(Ok(bytes.len())) };
        if !seat.start.is_whole() {
            let n = seat.start.swallow(bytes);
            if let Some(waker) = seat.early_reader.take() {
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
                Poll::Pending => return this.alarm.or_deadline(cx, driver).map(|passed| passed.map(|()| 0)),
            }
        }
    }

    /// The client's runtime sleeps after a flush until the reply comes: it has to wake at the deadline too.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let Some(mut seat) = this.seat.try_lock() else { return Poll::Ready(Err(taken())) };
        let Some(driver) = &mut seat.driver else { return Poll::Ready(Ok(())) };
        match this.alarm.or_deadline(cx, driver) {
            Poll::Ready(passed) => Poll::Ready(passed),
            Poll::Pending => Poll::Ready(Ok(())),
        }
    }

    /// The session is not the client's to end.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl TlsStream for GuestStream {
    /// Authentication is long over.
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

/// Wakes a task at the deadline in force. The timer is only looked at while something is awaited.
#[derive(Default)]
struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// What is pending ends at the deadline in force.
    fn or_deadline(&mut self, cx: &mut Context<'_>, driver: &Driver) -> Poll<io::Result<()>> {
        let deadline = driver.deadline();
        if deadline.is_some() || self.0.is_some() {
            ready!(self.poll(cx, deadline));
            return Poll::Ready(Err(driver.deadline_passed()));
        }
        Poll::Pending
    }

    /// Ready once `deadline` has passed; otherwise the task is woken then, if there is one.
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
    fn a_start_up_packet_is_swallowed_wherever_it_is_cut_and_no_more_than_it() {
        let packet = b"\0\0\0\x0c\0\x03\0\0abc\0";
        for cut in 0..=packet.len() {
            let mut start = StartPacket::default();
            assert_eq!(start.swallow(&packet[..cut]), cut);
            let rest = [&packet[cut..], b"Q\0\0\0\x05\0"].concat();
            assert_eq!(start.swallow(&rest), packet.len() - cut);
            assert!(start.is_whole(), "cut at {cut}");
        }
    }
}
