//! The second way onto a line: whole exchanges on the calling thread, without the runtime of `postgres::Client`.
//!
//! Used by `session` while the client is at rest. What is received beyond the last reply (a notification, say) is handed
//! back to the line, where either lane finds it.

use std::io;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use tokio::io::ReadBuf;

use super::line::{Transport, Turn, busy};
use super::settings::TextSettings;
use super::socket::Reading;
use super::{CopyIn, Link, Shared};
use crate::error::LinkFault;

/// The line, taken for as long as a call of the direct lane lasts.
pub(crate) struct DirectLine<'a> {
    shared: &'a Shared,
    line: Turn<'a>,
    /// When the call has to be over.
    end: Option<Instant>,
}

impl Link {
    /// Takes the line for a direct exchange that has to be over at `end`.
    ///
    /// # Errors
    /// When somebody else uses it, or it stands inside a message.
    pub(crate) fn direct(&self, end: Option<Instant>) -> io::Result<DirectLine<'_>> {
        let direct = self.direct_again(end)?;
        if !direct.line.at_boundary() {
            return Err(io::Error::other("the connection stands in the middle of a message"));
        }
        Ok(direct)
    }

    /// Takes the line to go on, up to `end`, with an exchange that was left half-way, wherever it stands.
    ///
    /// # Errors
    /// When somebody else uses it.
    pub(crate) fn direct_again(&self, end: Option<Instant>) -> io::Result<DirectLine<'_>> {
        if let Some(fault) = self.fault() {
            return Err(fault.into());
        }
        let line = self.0.turnstile.enter().ok_or_else(busy)?;
        self.0.socket.deadlines().set_statement(end);
        Ok(DirectLine { shared: &self.0, line, end })
    }
}

impl DirectLine<'_> {
    /// Receives at least one byte, waiting up to the deadline in force.
    pub(crate) fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(bytes) = self.line.take_handed_back(buffer.len()) {
            buffer[..bytes.len()].copy_from_slice(&bytes);
            return Ok(bytes.len());
        }
        self.read(buffer, true)?.ok_or_else(|| io::Error::other("a read that may wait did not"))
    }

    /// What has come already; `None` when nothing has.
    pub(crate) fn receive_now(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        if let Some(bytes) = self.line.take_handed_back(buffer.len()) {
            buffer[..bytes.len()].copy_from_slice(&bytes);
            return Ok(Some(bytes.len()));
        }
        self.read(buffer, false)
    }

    fn read(&mut self, buffer: &mut [u8], may_wait: bool) -> io::Result<Option<usize>> {
        let socket = &self.shared.socket;
        socket.read_by(if may_wait { Reading::Waiting } else { Reading::Glancing });
        let mut target = ReadBuf::new(buffer);
        let mut cx = Context::from_waker(Waker::noop());
        match self.line.transport.poll_read(&mut cx, &mut target) {
            Poll::Ready(read) => read?,
            Poll::Pending => return Ok(None),
        }
        let n = target.filled().len();
        if n == 0 {
            socket.fail(LinkFault::ClosedByServer);
            return Err(LinkFault::ClosedByServer.into());
        }
        self.line.follow_received(socket, &self.shared.tap, &buffer[..n])?;
        Ok(Some(n))
    }

    /// Sends all of `bytes`. While the kernel takes no more, `drain` is called for what the server says meanwhile, since
    /// it may refuse to read on until somebody listens.
    pub(crate) fn send(
        &mut self,
        mut bytes: &[u8],
        mut drain: impl FnMut(&mut Self) -> io::Result<()>,
    ) -> io::Result<()> {
        let socket = &self.shared.socket;
        // Nothing was owed between the two parts of the call: that lifted its deadline.
        socket.deadlines().set_statement(self.end);
        let mut cx = Context::from_waker(Waker::noop());
        while !bytes.is_empty() {
            socket.read_by(Reading::Glancing);
            match self.line.transport.poll_write(&mut cx, bytes) {
                Poll::Ready(sent) => {
                    let n = sent?;
                    self.line.follow_sent(&self.shared.tap, &bytes[..n]);
                    bytes = &bytes[n..];
                }
                Poll::Pending => {
                    if socket.wait_for_room_or_bytes()?.contains(PollFlags::IN) {
                        drain(self)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Sends all of `bytes` if the kernel takes them at once. A part of them ends the connection, since the rest would have to
    /// wait.
    pub(crate) fn send_now(&mut self, bytes: &[u8]) -> bool {
        let socket = &self.shared.socket;
        socket.read_by(Reading::Glancing);
        let mut cx = Context::from_waker(Waker::noop());
        let Poll::Ready(Ok(n)) = self.line.transport.poll_write(&mut cx, bytes) else { return false };
        self.line.follow_sent(&self.shared.tap, &bytes[..n]);
        if n < bytes.len() {
            socket.fail(LinkFault::NotCancelled);
        }
        n == bytes.len()
    }

    /// Whether what is received comes in TLS records.
    pub(crate) fn is_encrypted(&self) -> bool {
        matches!(self.line.transport, Transport::Tls(_))
    }

    /// Whether something can be read within `patience`.
    pub(crate) fn wait_for_bytes(&self, patience: Duration) -> io::Result<bool> {
        self.shared.socket.wait_for_bytes(patience)
    }

    /// The call is over and the exchange is not: what passes until the next call is the caller's own time.
    pub(crate) fn pause(self) {
        self.shared.socket.deadlines().set_statement(None);
    }

    /// The COPY FROM STDIN that waits for data.
    pub(crate) fn copy_in(&self) -> Option<CopyIn> {
        self.shared.tap.copy_in()
    }

    /// The settings of the session that show in the text of values, as last reported.
    pub(crate) fn text_settings(&self) -> TextSettings {
        self.shared.tap.text_settings()
    }

    /// The connection has ended, one way or another.
    pub(crate) fn is_broken(&self) -> bool {
        self.shared.socket.fault().is_some()
    }

    /// Leaves bytes that were received but not used to the next reader.
    pub(crate) fn hand_back(&mut self, bytes: &[u8]) {
        self.line.hand_back(bytes);
    }

    /// Nothing that follows on this connection can be trusted.
    pub(crate) fn fail_protocol(&self) -> io::Error {
        self.shared.socket.fail(LinkFault::ProtocolBroken);
        LinkFault::ProtocolBroken.into()
    }
}
