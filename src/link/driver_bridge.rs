//! Access to a link for a guest driver, while the session is idle. The driver waits by readiness, not in the kernel, and may
//! leave at any moment.

use std::collections::BTreeSet;
use std::io;
use std::time::Instant;

use super::Link;
use super::framed::busy;
use super::protocol_state::Owed;
use super::socket::Reading;
use crate::error::LinkFault;
use crate::protocol::framing::{Framing, Message};

/// The most that is kept of a message that the driver has received in part, to be handed back when it leaves.
const MAX_PART_KEPT: usize = 1024 * 1024;

/// One driver's use of a link.
pub(crate) struct Driver {
    link: Link,
    /// The framing of what the driver was given.
    received: Framing,
    /// The part that the driver was given of an incomplete message; empty for rows and copy data.
    part: Vec<u8>,
    /// The framing of what the driver has sent.
    sent: Framing,
    /// The named statements that the driver has prepared and not closed.
    prepared: BTreeSet<String>,
    /// Set while the kernel takes no more of a request: its reply cannot be waited for yet.
    is_stalled: bool,
}

impl Driver {
    pub(crate) fn new(link: Link) -> Self {
        Self {
            link,
            received: Framing::backend(),
            part: Vec::new(),
            sent: Framing::backend(),
            prepared: BTreeSet::new(),
            is_stalled: false,
        }
    }

    pub(crate) fn link(&self) -> &Link {
        &self.link
    }

    /// Returns the deadline in force.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.link.0.socket.deadlines().current()
    }

    /// Ends the connection because the deadline in force has passed.
    pub(crate) fn deadline_passed(&self) -> io::Error {
        self.link.0.socket.deadline_passed()
    }

    /// Reads the bytes that have come. While more of a reply is owed it blocks the calling thread.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) when no reply is owed and nothing unsolicited has come.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let shared = &*self.link.0;
        let mut framed = shared.framed.try_lock().ok_or_else(busy)?;
        if let Some(bytes) = framed.take_handed_back(buffer.len()) {
            buffer[..bytes.len()].copy_from_slice(&bytes);
            let in_part = note_received(&mut self.received, &mut self.part, &bytes);
            framed.is_read_in_part(in_part);
            return Ok(bytes.len());
        }
        let reply_owed = shared.protocol.owed() == Owed::Replies && !shared.protocol.in_copy_in();
        let may_wait = reply_owed && !self.is_stalled && framed.has_sent_whole_messages();
        shared.socket.read_by(if may_wait { Reading::Waiting } else { Reading::Polling });
        let n = framed.transport.read(buffer)?;
        framed.follow_received(&shared.socket, &shared.protocol, &buffer[..n]);
        note_received(&mut self.received, &mut self.part, &buffer[..n]);
        Ok(n)
    }

    /// Writes what the kernel takes now.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) when it takes nothing.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let shared = &*self.link.0;
        let mut framed = shared.framed.try_lock().ok_or_else(busy)?;
        if shared.protocol.owed() == Owed::Nothing && framed.has_sent_whole_messages() && !self.is_stalled {
            shared.socket.deadlines().statement_starts();
        }
        shared.socket.read_by(Reading::Polling);
        let sent = framed.write(&shared.protocol, bytes);
        drop(framed);
        self.is_stalled = matches!(&sent, Err(e) if e.kind() == io::ErrorKind::WouldBlock);
        let n = sent?;
        let prepared = &mut self.prepared;
        self.sent.feed(&bytes[..n], |kind| matches!(kind, b'P' | b'C'), |message| note(prepared, &message));
        Ok(n)
    }

    /// Ends the driver's use. A partially received message is handed back, so that the session finds whole messages. Returns
    /// the names of the statements that the driver leaves on the server.
    pub(crate) fn leave(mut self) -> Vec<String> {
        let shared = &*self.link.0;
        if let Some(mut framed) = shared.framed.try_lock() {
            let seen = self.received.seen_of_present();
            if self.received.is_within_data() {
                // Its beginning is gone, and the next reader skips it: the rest becomes a message of its own.
                framed.hand_back(&self.received.header_of_rest());
            } else if seen > 0 && self.part.len() == seen {
                framed.hand_back(&self.part);
            } else if seen > 0 {
                self.link.fail(LinkFault::ProtocolBroken);
            }
            if !framed.has_sent_whole_messages() {
                self.link.fail(LinkFault::NotCancelled);
            }
        } else {
            self.link.fail(LinkFault::NotCancelled);
        }
        std::mem::take(&mut self.prepared).into_iter().collect()
    }
}

/// Keeps the received part of an incomplete message. Returns whether there is one.
fn note_received(received: &mut Framing, part: &mut Vec<u8>, bytes: &[u8]) -> bool {
    received.feed(bytes, |_| false, |_| {});
    let seen = received.seen_of_present();
    if seen == 0 || received.is_within_data() {
        part.clear();
    } else if seen <= bytes.len() {
        part.clear();
        part.extend_from_slice(&bytes[bytes.len() - seen..]);
    } else if part.len() < MAX_PART_KEPT {
        part.extend_from_slice(bytes);
    }
    seen > 0
}

/// Records named statements: `Parse` begins with the name, `Close` with the kind of object and then the name.
fn note(prepared: &mut BTreeSet<String>, message: &Message<'_>) {
    let name = |bytes: &[u8]| {
        let end = bytes.iter().position(|b| *b == 0)?;
        let text = str::from_utf8(&bytes[..end]).ok()?;
        (!text.is_empty()).then(|| text.to_owned())
    };
    match (message.kind, message.head) {
        (b'P', head) => prepared.extend(name(head)),
        (b'C', [b'S', head @ ..]) => {
            if let Some(closed) = name(head) {
                prepared.remove(&closed);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::scripted_server::ScriptedServer;

    const READY: &[u8] = b"Z\0\0\0\x05I";
    const ROW: &[u8] = b"D\0\0\0\x0d\0\x01\0\0\0\x03abc";
    const NOTIFICATION: &[u8] = b"A\0\0\0\x13\0\0\0\x07news\0hello\0";

    /// Receives the next `length` bytes of the link.
    fn rest(link: &Link, length: usize) -> Vec<u8> {
        let mut framed = link.resume_blocking(None).expect("the link is free");
        let mut all = Vec::new();
        while all.len() < length {
            let mut buffer = [0; 64];
            let n = framed.receive(&mut buffer).expect("it was sent");
            all.extend_from_slice(&buffer[..n]);
        }
        all
    }

    #[test]
    fn a_message_that_the_driver_has_read_in_part_is_whole_for_the_session() {
        for cut in 1..NOTIFICATION.len() {
            let mut server = ScriptedServer::begin(READY, false).unwrap();
            let mut driver = Driver::new(server.link.clone());
            server.say(&[NOTIFICATION, &NOTIFICATION[..cut]].concat());
            assert_eq!(driver.read(&mut [0; 64]).unwrap(), NOTIFICATION.len() + cut);
            assert!(server.link.blocking(None).is_err(), "it stands inside a message");
            assert!(driver.leave().is_empty());
            server.say(&NOTIFICATION[cut..]);
            assert_eq!(rest(&server.link, NOTIFICATION.len()), NOTIFICATION, "cut at {cut}");
        }
    }

    #[test]
    fn bytes_handed_back_and_read_in_part_by_the_driver_are_whole_again() {
        for taken in 1..2 * NOTIFICATION.len() {
            let mut server = ScriptedServer::begin(READY, false).unwrap();
            server.say(&NOTIFICATION.repeat(2));
            let both = rest(&server.link, 2 * NOTIFICATION.len());
            server.link.resume_blocking(None).unwrap().hand_back(&both);
            let mut driver = Driver::new(server.link.clone());
            driver.read(&mut vec![0; taken]).unwrap();
            driver.leave();
            let left = 2 * NOTIFICATION.len() - taken / NOTIFICATION.len() * NOTIFICATION.len();
            assert!(server.link.blocking(None).is_ok(), "{taken} taken");
            assert_eq!(rest(&server.link, left).len(), left, "{taken} taken");
        }
    }

    #[test]
    fn the_rest_of_a_row_is_a_message_of_its_own() {
        for cut in 6..ROW.len() {
            let mut server = ScriptedServer::begin(READY, false).unwrap();
            let mut driver = Driver::new(server.link.clone());
            driver.write(b"Q\0\0\0\x05\0").unwrap();
            server.say(&ROW[..cut]);
            driver.read(&mut [0; 64]).unwrap();
            driver.leave();
            server.say(&ROW[cut..]);
            let left = rest(&server.link, 5 + ROW.len() - cut);
            assert_eq!(left[..5], [b'D', 0, 0, 0, (4 + ROW.len() - cut) as u8]);
            assert_eq!(left[5..], ROW[cut..]);
        }
    }

    #[test]
    fn a_request_that_was_sent_in_part_ends_the_connection() {
        let server = ScriptedServer::begin(READY, false).unwrap();
        let mut driver = Driver::new(server.link.clone());
        driver.write(b"Q\0\0\0\x09sel").unwrap();
        driver.leave();
        assert!(server.link.fault().is_some());
    }

    #[test]
    fn statements_that_the_driver_leaves_open_are_named() {
        let server = ScriptedServer::begin(READY, false).unwrap();
        let mut driver = Driver::new(server.link.clone());
        for name in ["s0", "s1", ""] {
            let body = format!("{name}\0select 1\0\0\0");
            driver
                .write(&[b"P", &(body.len() as u32 + 4).to_be_bytes()[..], body.as_bytes()].concat())
                .unwrap();
        }
        driver.write(b"C\0\0\0\x08Ss0\0").unwrap();
        assert_eq!(driver.leave(), ["s1"]);
    }
}
