//! The session's way onto a line: whole exchanges on the calling thread.
//!
//! What is received beyond the last reply (a notification, say) is handed back to the line, where the next user finds it.

use std::io;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;

use super::framed::{Transport, Turn, busy};
use super::socket::Reading;
use super::{CopyIn, Link, LostStatements, Shared};
use crate::error::LinkFault;
use crate::protocol::session_parameters::TextSettings;

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
        let n = match self.line.transport.read(buffer) {
            Ok(n) => n,
            Err(e) if !may_wait && e.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(e) => return Err(e),
        };
        if n == 0 {
            socket.fail(LinkFault::ClosedByServer);
            return Err(LinkFault::ClosedByServer.into());
        }
        self.line.follow_received(socket, &self.shared.tap, &buffer[..n]);
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
        while !bytes.is_empty() {
            socket.read_by(Reading::Glancing);
            match self.line.write(&self.shared.tap, bytes) {
                Ok(n) => bytes = &bytes[n..],
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    if socket.wait_for_room_or_bytes()?.contains(PollFlags::IN) {
                        drain(self)?;
                    }
                }
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Sends all of `bytes` if the kernel takes them at once; else nothing, and the result is `false`. What was taken in part
    /// cannot be taken back: that ends the connection.
    pub(crate) fn send_now(&mut self, bytes: &[u8]) -> io::Result<bool> {
        let socket = &self.shared.socket;
        socket.read_by(Reading::Glancing);
        let sent = match self.line.write(&self.shared.tap, bytes) {
            Ok(sent) => sent,
            Err(e) if e.kind() != io::ErrorKind::WouldBlock => return Err(e),
            // TLS may have made a record of them that it still has to send.
            Err(_) if self.is_encrypted() => return Err(self.give_up()),
            Err(_) => return Ok(false),
        };
        if sent < bytes.len() { Err(self.give_up()) } else { Ok(true) }
    }

    fn give_up(&self) -> io::Error {
        self.shared.socket.fail(LinkFault::NotCancelled);
        LinkFault::NotCancelled.into()
    }

    /// Whether what is received comes in TLS records.
    pub(crate) fn is_encrypted(&self) -> bool {
        matches!(self.line.transport, Transport::Tls(_))
    }

    /// What a password exchange over it is bound to.
    pub(crate) fn channel_binding(&self) -> Option<Vec<u8>> {
        self.line.transport.channel_binding()
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

    /// Whether commands took prepared statements away since this was asked last.
    pub(crate) fn take_lost_statements(&self) -> Option<LostStatements> {
        self.shared.tap.take_lost_statements()
    }

    /// What failed the present transaction was a stale statement.
    pub(crate) fn note_stale_failure(&self) {
        self.shared.tap.note_stale_failure();
    }

    /// The connection has ended, one way or another.
    pub(crate) fn is_broken(&self) -> bool {
        self.shared.socket.fault().is_some()
    }

    /// Leaves bytes that were received but not used to the next reader.
    pub(crate) fn hand_back(&mut self, bytes: &[u8]) {
        self.line.hand_back(bytes);
    }

    /// What is received cannot be read on: there is no memory for it, or it is not the protocol.
    #[cold]
    pub(crate) fn fail_reading(&self, error: &io::Error) -> io::Error {
        if error.kind() != io::ErrorKind::OutOfMemory {
            return self.fail_protocol();
        }
        self.shared.socket.fail(LinkFault::OutOfMemory);
        LinkFault::OutOfMemory.into()
    }

    /// Nothing that follows on this connection can be trusted.
    pub(crate) fn fail_protocol(&self) -> io::Error {
        self.shared.socket.fail(LinkFault::ProtocolBroken);
        LinkFault::ProtocolBroken.into()
    }
}
