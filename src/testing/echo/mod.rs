//! A server that needs no server: it speaks enough of PostgreSQL's protocol, within this process, that a pool runs on it as
//! on a real one, and answers statements with themselves. For tests of programs that use a pool, and for bindings.
//!
//! Pool, links, both lanes, deadlines and cancelling are the real ones; only the far end of the socket is not. What it
//! answers is told at [`Pool::echo`](crate::Pool::echo).
//!
//! Every connection has a thread of its own, which ends with the connection.

mod convert;
mod instant;
mod run;
mod session;
mod sql;
mod statement;
mod transaction;
mod wire;

use std::collections::HashMap;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::link::in_process::InProcess;

/// A new server, which lives as long as somebody can connect to it or is connected.
pub(crate) fn server() -> InProcess {
    let server = Arc::new(Server::default());
    InProcess::new("echo", move |stream| server.accept(stream))
}

/// What the connections of one server share.
#[derive(Default)]
struct Server {
    sessions: Mutex<HashMap<u32, Arc<Session>>>,
    /// The last number that a session got.
    numbered: AtomicU32,
}

/// What others may do to a session.
struct Session {
    /// Stands where a server has its process id.
    number: u32,
    /// Whoever cancels has to know it.
    secret: u32,
    cancelled: Mutex<bool>,
    wake: Condvar,
}

/// Threads with little on their stacks.
const STACK: usize = 256 * 1024;

impl Server {
    fn accept(self: &Arc<Self>, stream: UnixStream) -> io::Result<()> {
        let server = self.clone();
        thread::Builder::new().name("holdfast-echo".into()).stack_size(STACK).spawn(move || {
            // It ends when the client hangs up, which is as good an end as any.
            let _ = session::serve(&server, stream);
        })?;
        Ok(())
    }

    fn begin_session(self: &Arc<Self>) -> Registered {
        let session = Arc::new(Session {
            number: self.numbered.fetch_add(1, Ordering::Relaxed) + 1,
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

    /// A request that comes between two statements is for neither.
    fn begin_statement(&self) {
        *self.cancelled.lock() = false;
    }

    fn is_cancelled(&self) -> bool {
        *self.cancelled.lock()
    }

    /// Waits until `end`, at most as long as `patience`, unless it is cancelled before.
    fn wait(&self, end: Instant, patience: Duration) {
        let mut cancelled = self.cancelled.lock();
        if !*cancelled {
            let _ = self.wake.wait_until(&mut cancelled, end.min(Instant::now() + patience));
        }
    }
}

/// A session that can be cancelled until this is dropped.
struct Registered {
    session: Arc<Session>,
    server: Arc<Server>,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.server.sessions.lock().remove(&self.session.number);
    }
}
