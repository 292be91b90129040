//! Giving up the opening of a connection from another thread: the pool was closed, nobody wants it any more.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::socket::Socket;
use crate::error::LinkFault;

#[derive(Default)]
struct State {
    requested: bool,
    /// Set once there is something to cut.
    socket: Option<Arc<Socket>>,
}

/// Shared by the thread that opens and whoever may want it to stop.
#[derive(Default)]
pub(crate) struct Abort {
    state: Mutex<State>,
    notify: Notify,
}

impl Abort {
    /// Makes the opening fail as soon as it can: at once while connecting, in TLS or authentication; a name look-up is
    /// waited out, up to the opening's deadline.
    pub(crate) fn request(&self) {
        let socket = {
            let mut state = self.state.lock();
            state.requested = true;
            state.socket.clone()
        };
        if let Some(socket) = socket {
            socket.cut(LinkFault::Interrupted);
        }
        self.notify.notify_one();
    }

    pub(crate) fn is_requested(&self) -> bool {
        self.state.lock().requested
    }

    /// From now on there is a socket to cut.
    pub(super) fn watch(&self, socket: &Arc<Socket>) {
        let requested = {
            let mut state = self.state.lock();
            state.socket = Some(socket.clone());
            state.requested
        };
        if requested {
            socket.cut(LinkFault::Interrupted);
        }
    }

    /// Runs `work` until it is done or the opening is given up.
    pub(super) async fn or_done<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        let mut given_up = pin!(self.notify.notified());
        poll_fn(|cx| {
            if self.is_requested() || given_up.as_mut().poll(cx).is_ready() {
                return Poll::Ready(None);
            }
            work.as_mut().poll(cx).map(Some)
        })
        .await
    }
}
