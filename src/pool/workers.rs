//! The threads that all pools of the process share; a pool starts none of its own.
//!
//! One keeps time and never blocks, so that idle connections are closed on the dot whatever the network does. A few do
//! what may block for a bounded time: cleaning a returned connection, seeing a retired one off, refilling `min_idle`.
//! They end with the last pool.

use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use scheduled_thread_pool::{OnPoolDropBehavior, ScheduledThreadPool};

use crate::ffi::fork::Generation;

const WORKERS: usize = 4;

pub(super) struct Workers {
    born: Generation,
    timer: Arc<ScheduledThreadPool>,
    /// Started at the first job: a pool that is never used costs one thread.
    blocking: OnceLock<ScheduledThreadPool>,
}

static SHARED: Mutex<Weak<Workers>> = Mutex::new(Weak::new());

impl Workers {
    /// The process' workers, started if no pool has any.
    pub(super) fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock();
        match shared.upgrade() {
            Some(workers) if !workers.born.is_past() => return workers,
            // A forked child has its parent's pools, but no threads: not even their memory is touched.
            Some(of_parent) => std::mem::forget(of_parent),
            None => {}
        }
        let workers = Arc::new(Self::start());
        *shared = Arc::downgrade(&workers);
        workers
    }

    fn start() -> Self {
        let timer = ScheduledThreadPool::builder()
            .num_threads(1)
            .thread_name_pattern("holdfast-timer")
            .on_drop_behavior(OnPoolDropBehavior::DiscardPendingScheduled)
            .build();
        Self { born: Generation::watch(), timer: Arc::new(timer), blocking: OnceLock::new() }
    }

    fn start_blocking() -> ScheduledThreadPool {
        ScheduledThreadPool::builder()
            .num_threads(WORKERS)
            .thread_name_pattern("holdfast-work-{}")
            .on_drop_behavior(OnPoolDropBehavior::CompletePendingScheduled)
            .build()
    }

    /// The thread r2d2 makes its slots on.
    pub(super) fn timer(&self) -> Arc<ScheduledThreadPool> {
        self.timer.clone()
    }

    /// Runs `job` after `delay` on the thread that keeps time. It must not block.
    pub(super) fn after(&self, delay: Duration, job: impl FnOnce() + Send + 'static) {
        self.timer.execute_after(delay, job);
    }

    /// Runs `job` soon, on a thread that may block.
    pub(super) fn run(&self, job: impl FnOnce() + Send + 'static) {
        self.blocking.get_or_init(Self::start_blocking).execute(job);
    }
}
