//! A scripted server over a socket pair, for tests and fuzzing. Each write arrives as one segment.

use std::io::{self, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use crate::sys::sync::Mutex;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use super::framed::{Framed, Transport, busy};
use super::protocol_state::BackendKey;
use super::socket::{Socket, SocketIo};
use crate::link::Link;
use crate::link::cancel::CancelHandle;
use crate::link::dial::address::Address;
use crate::link::dial::in_process::InProcess;

/// An empty start-up packet: every conversation begins with one.
const STARTUP: [u8; 8] = [0, 0, 0, 8, 0, 3, 0, 0];

/// The longest segment, which fits into every receive buffer. Longer writes are split.
const LONGEST_SEGMENT: usize = 4096;

/// A connection, and the server at its other end.
pub(crate) struct ScriptedServer {
    pub(crate) link: Link,
    pub(crate) cancel: CancelHandle,
    pub(crate) server: UnixStream,
}

impl ScriptedServer {
    /// Makes a connection on which the server has already sent `greeting`. Cancel requests are accepted or refused.
    pub(crate) fn begin(greeting: &[u8], takes_cancel_requests: bool) -> io::Result<Self> {
        let (ours, server) = pair()?;
        let link = link_over(ours);
        {
            let mut framed = link.0.framed.try_lock().ok_or_else(busy)?;
            framed.follow_sent(&link.0.protocol, &STARTUP);
            framed.follow_received(&link.0.socket, &link.0.protocol, greeting);
        }
        Ok(Self { link, cancel: cancel_handle(takes_cancel_requests), server })
    }

    /// Makes a connection on which nothing has been sent, for start-ups.
    #[cfg(test)]
    pub(crate) fn fresh() -> io::Result<Self> {
        let (ours, server) = pair()?;
        Ok(Self { link: link_over(ours), cancel: cancel_handle(false), server })
    }

    /// Sends `bytes`, as far as they fit into the socket; the rest is dropped.
    pub(crate) fn say(&mut self, bytes: &[u8]) {
        for segment in bytes.chunks(LONGEST_SEGMENT) {
            if self.server.write_all(segment).is_err() {
                return;
            }
        }
    }

    /// Ends the server's output, so that no client can wait for more. A deaf server also fails whatever is sent to it.
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
    Link::new(socket, Framed::new(Transport::Plain(io)))
}

fn cancel_handle(takes_requests: bool) -> CancelHandle {
    // The end of the last request, kept until the next comes: a request counts as taken once its connection is closed.
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
    CancelHandle::new(Address::InProcess(InProcess::new("scripted", accept)), String::new(), None, key)
}
