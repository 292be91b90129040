//! The stream that `postgres::Client` reads and writes: one lane's view of the line.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use postgres::tls::{ChannelBinding, TlsStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Link;
use super::line::busy;

pub(crate) struct LinkStream(Link);

impl LinkStream {
    pub(crate) fn new(link: Link) -> Self {
        Self(link)
    }
}

impl AsyncRead for LinkStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let shared = &*self.0.0;
        let Some(mut line) = shared.turnstile.enter() else { return Poll::Ready(Err(busy())) };
        line.poll_read(cx, &shared.socket, &shared.tap, buffer)
    }
}

impl AsyncWrite for LinkStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let shared = &*self.0.0;
        let Some(mut line) = shared.turnstile.enter() else { return Poll::Ready(Err(busy())) };
        line.poll_write(cx, &shared.socket, &shared.tap, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shared = &*self.0.0;
        let Some(mut line) = shared.turnstile.enter() else { return Poll::Ready(Err(busy())) };
        line.poll_flush(cx, &shared.socket)
    }

    /// The client closes its stream after `Terminate`. TLS `close_notify` is not sent: the server has been told
    /// already, and waiting for its answer could block a drop.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.0.socket.finish_writing();
        Poll::Ready(Ok(()))
    }
}

impl TlsStream for LinkStream {
    /// What SCRAM binds to: nothing on a plain connection, which makes `channel_binding=require` fail as it must.
    fn channel_binding(&self) -> ChannelBinding {
        match self.0.0.turnstile.enter() {
            Some(line) => line.channel_binding(),
            None => ChannelBinding::none(),
        }
    }
}
