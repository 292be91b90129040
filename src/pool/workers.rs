//! The threads that all pools of the process share; a pool starts none of its own.
//!
//! The timer thread never blocks, so that idle connections are closed on time in any state of the network. Workers do short
//! work that may block: cleaning a returned connection, validating, closing. Others open connections, which takes up to
//! `connection_timeout` at a frozen host: that must not delay the short work of its own server. A [`ThreadGroup`] keeps the work
//! of one server from delaying that of another. All threads end with the last pool.

use std::any::Any;
use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::connection::slot_thread::{SlotThread, no_thread};
use crate::error::Error;
use crate::sys::process_local::ProcessLocal;
use crate::sys::sync::Mutex;
use crate::sys::thread_group::ThreadGroup;
use crate::sys::timer::Timer;
use crate::sys::unwind::catch_panic;

/// A server, for the division of threads. Pools that share a coordinator share it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Server(usize);

impl Server {
    /// Makes the server of all pools that share this object. A later object may get the same mark, which does no harm.
    pub(super) fn of<T>(shared: &Arc<T>) -> Self {
        Self(Arc::as_ptr(shared).addr())
    }
}

pub(super) struct Workers {
    timer: Timer,
    short_work: ThreadGroup,
    openings: ThreadGroup,
    slot_thread: Arc<SlotThread>,
}

static SHARED: ProcessLocal<Mutex<Weak<Workers>>> = ProcessLocal::new(|| Mutex::new(Weak::new()));

impl Workers {
    /// Returns the process' workers, started if no pool has any. A forked child has its own.
    ///
    /// # Errors
    /// When the system has no threads.
    pub(super) fn shared() -> Result<Arc<Self>, Error> {
        let mut shared = SHARED.get().lock();
        if let Some(workers) = shared.upgrade() {
            return Ok(workers);
        }
        let workers = Arc::new(Self::start()?);
        *shared = Arc::downgrade(&workers);
        Ok(workers)
    }

    /// One thread of each kind is started now, so that no later shortage of threads can keep a connection or its place.
    fn start() -> Result<Self, Error> {
        Ok(Self {
            timer: Timer::start("holdfast-timer").map_err(no_thread)?,
            short_work: ThreadGroup::start("holdfast-work").map_err(no_thread)?,
            openings: ThreadGroup::start("holdfast-open").map_err(no_thread)?,
            slot_thread: Arc::new(SlotThread::start()?),
        })
    }

    /// Returns the thread on which r2d2 makes its slots.
    pub(super) fn slot_thread(&self) -> Arc<SlotThread> {
        self.slot_thread.clone()
    }

    /// Runs `job` after `delay` on the timer thread. It must not block.
    pub(super) fn after(&self, delay: Duration, job: impl FnOnce() + Send + 'static) {
        self.timer.after(delay, Box::new(move || contained(job)));
    }

    /// Runs short `job` soon, on a thread that may block for a bounded time. Where every such thread was ended by a callback
    /// and the system has no other, `job` is dropped: that gives back the capacity, flights and connections it holds.
    pub(super) fn run(&self, server: Server, job: impl FnOnce() + Send + 'static) {
        told(self.short_work.run(server.0, Box::new(move || contained(job))));
    }

    /// Runs `job`, which opens a connection, on a thread for openings. Otherwise as [`Workers::run`].
    pub(super) fn run_opening(&self, server: Server, job: impl FnOnce() + Send + 'static) {
        told(self.openings.run(server.0, Box::new(move || contained(job))));
    }
}

fn told(queued: io::Result<()>) {
    if let Err(e) = queued {
        log::error!(target: "holdfast", "the system gave the pools no thread to work on: a job is dropped: {e}");
    }
}

/// Runs a job. A panic ends neither the thread nor the jobs behind it.
fn contained(job: impl FnOnce()) {
    if let Err(panic) = catch_panic(job) {
        log::error!(target: "holdfast", "a job of a pool panicked, please report this as a bug: {}", panic_text(&*panic));
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("not told")
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_job_that_panics_ends_no_thread() {
        let workers = Workers::shared().unwrap();
        let server = Server::of(&Arc::new(()));
        for _ in 0..12 {
            workers.run(server, || panic!("on purpose"));
            workers.run_opening(server, || panic!("on purpose"));
            workers.after(Duration::ZERO, || panic!("on purpose"));
        }
        let (sender, done) = mpsc::channel();
        for _ in 0..2 {
            let sender = sender.clone();
            workers.run(server, move || sender.send(()).unwrap());
        }
        let opened = sender.clone();
        workers.run_opening(server, move || opened.send(()).unwrap());
        workers.after(Duration::ZERO, move || sender.send(()).unwrap());
        for _ in 0..4 {
            done.recv_timeout(Duration::from_secs(10)).unwrap();
        }
    }

    #[test]
    fn openings_that_hang_hold_up_no_short_work() {
        let workers = Workers::shared().unwrap();
        let server = Server::of(&Arc::new(()));
        let (hold, held) = mpsc::channel::<()>();
        let held = Arc::new(Mutex::new(held));
        for _ in 0..8 {
            let held = held.clone();
            workers.run_opening(server, move || assert!(held.lock().recv().is_err()));
        }
        let (sender, done) = mpsc::channel();
        workers.run(server, move || sender.send(()).unwrap());
        done.recv_timeout(Duration::from_secs(10)).unwrap();
        drop(hold);
    }
}
