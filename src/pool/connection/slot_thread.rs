//! The thread on which r2d2 makes its slots.
//!
//! r2d2 and its scheduler wait by parking_lot, which keeps all sleeping threads of the process in one table. A child of `fork`
//! inherits that table, and its own threads hang or write over memory there as soon as one of them sleeps. So no thread sleeps in
//! it: this thread waits on a lock of std's within a job of the scheduler's that does not end, steps aside while slots are
//! made, and no fork happens meanwhile.

use std::sync::Arc;

use rustix::io::Errno;
use scheduled_thread_pool::ScheduledThreadPool;

use crate::error::Error;
use crate::sys::fork::ForkBarrier;
use crate::sys::sync::{Condvar, Mutex};
use crate::sys::thread::{SignalsBlocked, Thread};
use crate::sys::unwind::catch_panic;

/// Ends the thread when dropped; every r2d2 pool must be gone by then.
pub(in crate::pool) struct SlotThread {
    /// `None` only while this is dropped.
    threads: Option<Arc<ScheduledThreadPool>>,
    wait: Arc<Wait>,
}

#[derive(Default)]
struct Wait {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The thread waits: it touches nothing of parking_lot's.
    is_waiting: bool,
    /// The thread may leave its wait.
    may_leave: bool,
}

impl Wait {
    /// On the thread: waits until it may leave.
    fn wait(&self) {
        let mut state = self.state.lock();
        state.is_waiting = true;
        self.changed.notify_all();
        while !state.may_leave {
            self.changed.wait(&mut state);
        }
        (state.is_waiting, state.may_leave) = (false, false);
    }

    fn until_waiting(&self) {
        let mut state = self.state.lock();
        while !state.is_waiting || state.may_leave {
            self.changed.wait(&mut state);
        }
    }

    fn let_leave(&self) {
        self.state.lock().may_leave = true;
        self.changed.notify_all();
    }
}

impl SlotThread {
    /// # Errors
    /// When the system has no thread for it.
    pub(in crate::pool) fn start() -> Result<Self, Error> {
        // The scheduler panics where there is none, so ask first.
        Thread::start("holdfast-slots", || ()).map_err(no_thread)?.join();
        let wait = Arc::new(Wait::default());
        let _barrier = ForkBarrier::raise();
        let blocked = SignalsBlocked::begin();
        let threads = catch_panic(|| {
            ScheduledThreadPool::builder().num_threads(1).thread_name_pattern("holdfast-slots").build()
        });
        drop(blocked);
        let threads = threads.map_err(|_| no_thread(Errno::AGAIN.into()))?;
        let job = wait.clone();
        threads.execute(move || job.wait());
        wait.until_waiting();
        Ok(Self { threads: Some(Arc::new(threads)), wait })
    }

    /// Posts jobs to the scheduler and returns when they have run.
    pub(super) fn run_jobs<T>(&self, post: impl FnOnce(Arc<ScheduledThreadPool>) -> T) -> Option<T> {
        let threads = self.threads.clone()?;
        // Also keeps two openings apart.
        let _barrier = ForkBarrier::raise();
        let posted = post(threads.clone());
        let job = self.wait.clone();
        threads.execute(move || job.wait());
        self.wait.let_leave();
        self.wait.until_waiting();
        Some(posted)
    }
}

impl Drop for SlotThread {
    fn drop(&mut self) {
        // First the scheduler learns of the end, then the thread leaves its wait and finds that out without waiting again.
        drop(self.threads.take());
        self.wait.let_leave();
    }
}

pub(in crate::pool) fn no_thread(cause: std::io::Error) -> Error {
    let message = format!(
        "the system gave the pool no thread ({cause}): the process is at its limit of threads or memory"
    );
    Error::no_thread(cause, message)
}
