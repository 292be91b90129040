//! Aborts the opening of a connection from another thread: the pool was closed, or no caller wants it any more.

use std::sync::Arc;

use crate::sys::sync::Mutex;

use crate::error::LinkFault;
use crate::link::socket::Socket;

#[derive(Default)]
struct State {
    requested: bool,
    /// Set once there is a socket to cut.
    socket: Option<Arc<Socket>>,
}

/// An abort request, shared by the thread that opens a connection and those that may stop it.
#[derive(Default)]
pub(crate) struct Abort {
    state: Mutex<State>,
}

impl Abort {
    /// Makes the opening fail as soon as it can: at once while connecting over TCP, in TLS or authentication; within a
    /// quarter of a second while a local socket has no room. A name look-up is not interrupted: it ends by the opening's deadline.
    pub(crate) fn request(&self) {
        let socket = {
            let mut state = self.state.lock();
            state.requested = true;
            state.socket.clone()
        };
        if let Some(socket) = socket {
            socket.cut(LinkFault::Interrupted);
        }
    }

    pub(crate) fn is_requested(&self) -> bool {
        self.state.lock().requested
    }

    /// Registers the socket that a request cuts. Cuts it at once when one was made before.
    pub(in crate::link) fn watch(&self, socket: &Arc<Socket>) {
        let requested = {
            let mut state = self.state.lock();
            state.socket = Some(socket.clone());
            state.requested
        };
        if requested {
            socket.cut(LinkFault::Interrupted);
        }
    }
}
