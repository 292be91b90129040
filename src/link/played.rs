//! A server played by hand, over a socket pair: it says what it is told to, when it is told to. Registered with a runtime that
//! is never run, which the direct lane does not need, so that many thousands can be played in a second.

use std::io::{self, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::runtime::{Builder, Runtime};

use super::Link;
use super::cancel::CancelHandle;
use super::dial::Address;
use super::inside::Inside;
use super::line::{Line, Transport, busy};
use super::socket::{Socket, SocketIo};
use super::tap::BackendKey;

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread().enable_io().build().expect("a runtime");
}

/// A start-up packet without a word in it: every conversation begins with one.
const STARTUP: [u8; 8] = [0, 0, 0, 8, 0, 3, 0, 0];

/// A connection, and the server at its other end.
pub(crate) struct Played {
    pub(crate) link: Link,
    pub(crate) cancel: CancelHandle,
    pub(crate) server: UnixStream,
}

impl Played {
    /// `greeting` was said when the connection was made. Cancel requests are taken or refused.
    pub(crate) fn begin(greeting: &[u8], takes_cancel_requests: bool) -> io::Result<Self> {
        let (ours, server) = UnixStream::pair()?;
        server.set_nonblocking(true)?;
        let link = link_over(ours)?;
        {
            let mut line = link.0.turnstile.enter().ok_or_else(busy)?;
            line.follow_sent(&link.0.tap, &STARTUP);
            line.follow_received(&link.0.socket, &link.0.tap, greeting)?;
        }
        Ok(Self { link, cancel: cancel_handle(takes_cancel_requests), server })
    }

    /// Says something, as far as it fits into the socket; what does not is as good as never said.
    pub(crate) fn say(&mut self, words: &[u8]) {
        let _ = self.server.write_all(words);
    }
}

fn link_over(stream: UnixStream) -> io::Result<Link> {
    stream.set_nonblocking(true)?;
    let stream = RUNTIME.with(|runtime| {
        let _entered = runtime.enter();
        tokio::net::UnixStream::from_std(stream)
    })?;
    let socket = Arc::new(Socket::unix(stream)?);
    let io = SocketIo::new(socket.clone());
    Ok(Link::new(socket, Line::new(Transport::Plain(io))))
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
    let key = BackendKey { process_id: 1, secret: 2 };
    CancelHandle::new(Address::Inside(Inside::new("played", accept)), String::new(), None, Some(key))
}
