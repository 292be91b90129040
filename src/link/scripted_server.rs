//! A server played by hand, over a socket pair: it says what it is told to, when it is told to, and what it says at once is
//! received at once, and nothing else with it, as segments of TCP might be.

use std::io::{self, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use super::backend_key::BackendKey;
use super::framed::{Line, Transport, busy};
use super::socket::{Socket, SocketIo};
use crate::link::Link;
use crate::link::address::Address;
use crate::link::cancel::CancelHandle;
use crate::link::in_process::Inside;

/// A start-up packet without a word in it: every conversation begins with one.
const STARTUP: [u8; 8] = [0, 0, 0, 8, 0, 3, 0, 0];

/// Whoever receives has room for this much. What is longer comes in pieces.
const LONGEST: usize = 4096;

/// A connection, and the server at its other end.
pub(crate) struct Played {
    pub(crate) link: Link,
    pub(crate) cancel: CancelHandle,
    pub(crate) server: UnixStream,
}

impl Played {
    /// `greeting` was said when the connection was made. Cancel requests are taken or refused.
    pub(crate) fn begin(greeting: &[u8], takes_cancel_requests: bool) -> io::Result<Self> {
        let (ours, server) = pair()?;
        let link = link_over(ours);
        {
            let mut line = link.0.turnstile.enter().ok_or_else(busy)?;
            line.follow_sent(&link.0.tap, &STARTUP);
            line.follow_received(&link.0.socket, &link.0.tap, greeting);
        }
        Ok(Self { link, cancel: cancel_handle(takes_cancel_requests), server })
    }

    /// A connection on which nothing has been said yet, for start-ups.
    #[cfg(test)]
    pub(crate) fn fresh() -> io::Result<Self> {
        let (ours, server) = pair()?;
        Ok(Self { link: link_over(ours), cancel: cancel_handle(false), server })
    }

    /// Says something, as far as it fits into the socket; what does not is as good as never said.
    pub(crate) fn say(&mut self, words: &[u8]) {
        for piece in words.chunks(LONGEST) {
            if self.server.write_all(piece).is_err() {
                return;
            }
        }
    }

    /// Says nothing more, so that nobody can wait for it any longer. A deaf one does not even listen: what is sent to it fails.
    pub(crate) fn fall_silent(&self, is_deaf: bool) -> io::Result<()> {
        self.server.shutdown(if is_deaf { Shutdown::Both } else { Shutdown::Write })
    }
}

fn pair() -> io::Result<(UnixStream, UnixStream)> {
    let (ours, server) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    let (ours, server) = (UnixStream::from(ours), UnixStream::from(server));
    server.set_nonblocking(true)?;
    Ok((ours, server))
}

fn link_over(stream: UnixStream) -> Link {
    let socket = Arc::new(Socket::new(stream.into()));
    let io = SocketIo::new(socket.clone());
    Link::new(socket, Line::new(Transport::Plain(io)))
}

fn cancel_handle(takes_requests: bool) -> CancelHandle {
    // The end of the last request, kept until the next comes: a request is taken once its connection was closed.
    let last = Mutex::new(None);
    let accept = move |stream: UnixStream| {
        if !takes_requests {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        stream.shutdown(Shutdown::Write)?;
        *last.lock() = Some(stream);
        Ok(())
    };
    let key = BackendKey::parse(&[0, 0, 0, 1, 0, 0, 0, 2]);
    CancelHandle::new(Address::Inside(Inside::new("played", accept)), String::new(), None, key)
}
