//! The second way onto a line: whole exchanges on the calling thread, without the runtime of `postgres::Client`.
//!
//! Used by `session` while the client is at rest. What is received beyond the last reply (a notification, say) is handed
//! back to the line, where either lane finds it.

use std::io;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rustix::event::PollFlags;
use tokio::io::ReadBuf;

use super::line::{Turn, busy};
use super::{Link, Shared};
use crate::error::LinkFault;

/// The line, taken for as long as a direct exchange lasts.
pub(crate) struct DirectLine<'a> {
    shared: &'a Shared,
    line: Turn<'a>,
}

impl Link {
    /// Takes the line for a direct exchange.
    ///
    /// # Errors
    /// When somebody else uses it, or it stands inside a message.
    pub(crate) fn direct(&self) -> io::Result<DirectLine<'_>> {
        let direct = self.direct_again()?;
        if !direct.line.at_boundary() {
            return Err(io::Error::other("the connection stands in the middle of a message"));
        }
        Ok(direct)
    }

    /// Takes the line to go on with an exchange that was left half-way, wherever it stands.
    ///
    /// # Errors
    /// When somebody else uses it.
    pub(crate) fn direct_again(&self) -> io::Result<DirectLine<'_>> {
        if let Some(fault) = self.fault() {
            return Err(fault.into());
        }
        let line = self.0.turnstile.enter().ok_or_else(busy)?;
        Ok(DirectLine { shared: &self.0, line })
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

    /// What was received already and lies in a buffer of a layer below; `None` when nothing does.
    pub(crate) fn receive_buffered(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        if let Some(bytes) = self.line.take_handed_back(buffer.len()) {
            buffer[..bytes.len()].copy_from_slice(&bytes);
            return Ok(Some(bytes.len()));
        }
        self.read(buffer, false)
    }

    fn read(&mut self, buffer: &mut [u8], may_wait: bool) -> io::Result<Option<usize>> {
        let socket = &self.shared.socket;
        socket.allow_waiting(may_wait);
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
        if !self.is_owed_replies() {
            socket.deadlines().statement_starts();
        }
        let mut cx = Context::from_waker(Waker::noop());
        while !bytes.is_empty() {
            socket.allow_waiting(false);
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

    /// Whether something can be read within `patience`.
    pub(crate) fn wait_for_bytes(&self, patience: Duration) -> io::Result<bool> {
        self.shared.socket.wait_for_bytes(patience)
    }

    pub(crate) fn is_owed_replies(&self) -> bool {
        self.shared.tap.owed() == super::Owed::Replies
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
