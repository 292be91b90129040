//! An in-process PostgreSQL stand-in that echoes statements. For testing programs without a database, and for bindings.
//!
//! Pool, links, session, driver, deadlines and cancelling are the real ones; only the far end of the socket is not.
//! [`Pool::echo`](crate::Pool::echo) documents the replies.
//!
//! Every connection has a thread of its own, which ends with the connection.

mod convert;
mod datetime;
mod run;
mod session;
mod sql;
mod statement;
mod transaction;
pub(crate) mod wire;

use std::collections::HashMap;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::link::dial::in_process::InProcess;
use crate::sys::sync::{Condvar, Mutex};
use crate::sys::thread::Thread;

/// Makes a new server, which lives as long as its address or a connection to it.
pub(crate) fn server() -> InProcess {
    let server = Arc::new(Server::default());
    InProcess::new("echo", move |stream| server.accept(stream))
}

/// The state that the connections of one server share.
#[derive(Default)]
struct Server {
    sessions: Mutex<HashMap<u32, Arc<Session>>>,
    /// The number of the last session.
    last_number: AtomicU32,
}

/// The part of a session that other connections can reach: its cancellation.
struct Session {
    /// The number in place of a server's process id.
    number: u32,
    /// The secret that a cancel request has to carry.
    secret: u32,
    cancelled: Mutex<bool>,
    wake: Condvar,
}

/// The stack size of a connection's thread, which needs little.
const STACK_BYTES: usize = 256 * 1024;

impl Server {
    fn accept(self: &Arc<Self>, stream: UnixStream) -> io::Result<()> {
        let server = self.clone();
        Thread::start_with_stack("holdfast-echo", STACK_BYTES, move || {
            // A hangup of the client is a normal end.
            let _ = session::serve(&server, stream);
        })?;
        Ok(())
    }

    fn begin_session(self: &Arc<Self>) -> Registered {
        let session = Arc::new(Session {
            number: self.last_number.fetch_add(1, Ordering::Relaxed) + 1,
            secret: fastrand::u32(..),
            cancelled: Mutex::new(false),
            wake: Condvar::new(),
        });
        self.sessions.lock().insert(session.number, session.clone());
        Registered { session, server: self.clone() }
    }

    fn cancel(&self, number: u32, secret: u32) {
        let found = self.sessions.lock().get(&number).cloned();
        if let Some(session) = found.filter(|session| session.secret == secret) {
            session.cancel();
        }
    }
}

impl Session {
    fn cancel(&self) {
        *self.cancelled.lock() = true;
        self.wake.notify_all();
    }

    /// Discards a cancel request that came between two statements.
    fn begin_statement(&self) {
        *self.cancelled.lock() = false;
    }

    fn is_cancelled(&self) -> bool {
        *self.cancelled.lock()
    }

    /// Waits until `end`, at most for `patience`, or until cancelled.
    fn wait(&self, end: Instant, patience: Duration) {
        let mut cancelled = self.cancelled.lock();
        if !*cancelled {
            let _ = self.wake.wait_until(&mut cancelled, end.min(Instant::now() + patience));
        }
    }
}

/// A session that can be cancelled until dropped.
struct Registered {
    session: Arc<Session>,
    server: Arc<Server>,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.server.sessions.lock().remove(&self.session.number);
    }
}
