//! Blocking access to a link for the session: whole exchanges on the calling thread.
//!
//! Bytes received beyond the last reply (a notification, say) are handed back to the link for its next user.

use std::io;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;

use super::framed::{FramedGuard, Transport, busy};
use super::socket::Reading;
use super::tls::ClientCertificate;
use super::{CopyIn, Link, LostStatements, Shared};
use crate::error::LinkFault;
use crate::protocol::session_parameters::TextSettings;

/// Bounds what is received of a session that the server has ended: its reason comes after no more than some notices.
const MOST_READS_UNTIL_HANGUP: usize = 64;

/// The link, locked for as long as a call of the session lasts.
pub(crate) struct BlockingLink<'a> {
    shared: &'a Shared,
    framed: FramedGuard<'a>,
    /// The deadline of the call.
    end: Option<Instant>,
}

impl Link {
    /// Locks the link for an exchange that must be over at `end`. Does not wait for the lock.
    ///
    /// # Errors
    /// When another thread uses the link, or it stands inside a message.
    pub(crate) fn blocking(&self, end: Option<Instant>) -> io::Result<BlockingLink<'_>> {
        let direct = self.resume_blocking(end)?;
        if !direct.framed.at_boundary() {
            return Err(io::Error::other("the connection stands in the middle of a message"));
        }
        Ok(direct)
    }

    /// Locks the link to resume, up to `end`, an exchange that was left partially done, wherever it stands.
    ///
    /// # Errors
    /// When another thread uses the link.
    pub(crate) fn resume_blocking(&self, end: Option<Instant>) -> io::Result<BlockingLink<'_>> {
        if let Some(fault) = self.fault() {
            return Err(fault.into());
        }
        let framed = self.0.framed.try_lock().ok_or_else(busy)?;
        self.0.socket.deadlines().set_statement(end);
        Ok(BlockingLink { shared: &self.0, framed, end })
    }

    /// Receives what the server sent before it closed its side: its reason for ending the session may be among it. Does not block.
    pub(crate) fn receive_until_hangup(&self) {
        let Ok(mut line) = self.resume_blocking(None) else { return };
        let mut buffer = [0; 1024];
        for _ in 0..MOST_READS_UNTIL_HANGUP {
            if !matches!(line.receive_now(&mut buffer), Ok(Some(_))) {
                return;
            }
        }
    }
}

impl BlockingLink<'_> {
    /// Receives at least one byte, waiting up to the deadline in force.
    pub(crate) fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(bytes) = self.framed.take_handed_back(buffer.len()) {
            buffer[..bytes.len()].copy_from_slice(&bytes);
            return Ok(bytes.len());
        }
        self.read(buffer, true)?.ok_or_else(|| io::Error::other("a read that may wait did not"))
    }

    /// Receives the bytes that have come already; `None` when there are none.
    pub(crate) fn receive_now(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        if let Some(bytes) = self.framed.take_handed_back(buffer.len()) {
            buffer[..bytes.len()].copy_from_slice(&bytes);
            return Ok(Some(bytes.len()));
        }
        self.read(buffer, false)
    }

    fn read(&mut self, buffer: &mut [u8], may_wait: bool) -> io::Result<Option<usize>> {
        let socket = &self.shared.socket;
        socket.read_by(if may_wait { Reading::Waiting } else { Reading::Polling });
        let n = match self.framed.transport.read(buffer) {
            Ok(n) => n,
            Err(e) if !may_wait && e.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(e) => return Err(e),
        };
        if n == 0 {
            socket.fail(LinkFault::ClosedByServer);
            return Err(LinkFault::ClosedByServer.into());
        }
        self.framed.follow_received(socket, &self.shared.protocol, &buffer[..n]);
        Ok(Some(n))
    }

    /// Sends all of `bytes`. While the kernel takes no more, `drain` is called for what the server sends meanwhile: a
    /// server may stop reading until its own output is received.
    pub(crate) fn send(
        &mut self,
        mut bytes: &[u8],
        mut drain: impl FnMut(&mut Self) -> io::Result<()>,
    ) -> io::Result<()> {
        let socket = &self.shared.socket;
        // No reply was owed between the two parts of the call, which lifted its deadline.
        socket.deadlines().set_statement(self.end);
        while !bytes.is_empty() {
            socket.read_by(Reading::Polling);
            match self.framed.write(&self.shared.protocol, bytes) {
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

    /// Sends all of `bytes` if the kernel takes them at once; otherwise sends nothing and returns `false`. Bytes sent in part
    /// cannot be taken back: that ends the connection.
    pub(crate) fn send_now(&mut self, bytes: &[u8]) -> io::Result<bool> {
        let socket = &self.shared.socket;
        socket.read_by(Reading::Polling);
        let sent = match self.framed.write(&self.shared.protocol, bytes) {
            Ok(sent) => sent,
            Err(e) if e.kind() != io::ErrorKind::WouldBlock => return Err(e),
            // TLS may have made a record of the bytes that it still has to send.
            Err(_) if self.is_encrypted() => return Err(self.give_up()),
            Err(_) => return Ok(false),
        };
        if sent < bytes.len() { Err(self.give_up()) } else { Ok(true) }
    }

    fn give_up(&self) -> io::Error {
        self.shared.socket.fail(LinkFault::NotCancelled);
        LinkFault::NotCancelled.into()
    }

    /// Returns whether the connection is encrypted.
    pub(crate) fn is_encrypted(&self) -> bool {
        matches!(self.framed.transport, Transport::Tls(_))
    }

    /// Returns the data that a password exchange over this connection is bound to.
    pub(crate) fn channel_binding(&self) -> Option<Vec<u8>> {
        self.framed.transport.channel_binding()
    }

    /// Returns what became of the client's certificate; known where `sslcertmode=require`.
    pub(crate) fn client_certificate(&self) -> ClientCertificate {
        self.framed.transport.client_certificate()
    }

    /// Waits up to `patience` for bytes; returns whether there are any.
    pub(crate) fn wait_for_bytes(&self, patience: Duration) -> io::Result<bool> {
        self.shared.socket.wait_for_bytes(patience)
    }

    /// Ends the call, but not the exchange. The time until the next call counts against no deadline.
    pub(crate) fn pause(self) {
        self.shared.socket.deadlines().set_statement(None);
    }

    /// Returns the COPY FROM STDIN that waits for data.
    pub(crate) fn copy_in(&self) -> Option<CopyIn> {
        self.shared.protocol.copy_in()
    }

    /// Returns the session settings that affect the text of values, as last reported.
    pub(crate) fn text_settings(&self) -> TextSettings {
        self.shared.protocol.text_settings()
    }

    /// Returns which prepared statements commands have removed since the last call.
    pub(crate) fn take_lost_statements(&self) -> Option<LostStatements> {
        self.shared.protocol.take_lost_statements()
    }

    /// Records that a stale statement failed the present transaction.
    pub(crate) fn note_stale_failure(&self) {
        self.shared.protocol.note_stale_failure();
    }

    /// Returns whether the connection has ended, for whatever reason.
    pub(crate) fn is_broken(&self) -> bool {
        self.shared.socket.fault().is_some()
    }

    /// Leaves bytes that were received but not used to the next reader. They begin with a message.
    pub(crate) fn hand_back(&mut self, bytes: &[u8]) {
        self.framed.hand_back(bytes);
    }

    /// Ends the connection because its input cannot be read on: out of memory, or a protocol violation.
    #[cold]
    pub(crate) fn fail_reading(&self, error: &io::Error) -> io::Error {
        if error.kind() != io::ErrorKind::OutOfMemory {
            return self.fail_protocol();
        }
        self.shared.socket.fail(LinkFault::OutOfMemory);
        LinkFault::OutOfMemory.into()
    }

    /// Ends the connection for a protocol violation, after which its input has no known meaning.
    pub(crate) fn fail_protocol(&self) -> io::Error {
        self.shared.socket.fail(LinkFault::ProtocolBroken);
        LinkFault::ProtocolBroken.into()
    }
}
