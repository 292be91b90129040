//! The threads that all pools of the process share; a pool starts none of its own.
//!
//! One keeps time and never blocks, so that idle connections are closed on the dot whatever the network does. A few do
//! what may block for a bounded time: cleaning a returned connection, seeing a retired one off, refilling `min_idle`.
//! They end with the last pool.

use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use scheduled_thread_pool::{OnPoolDropBehavior, ScheduledThreadPool};

use crate::error::Error;
use crate::ffi::fork::Generation;

const WORKERS: usize = 4;

pub(super) struct Workers {
    timer: Arc<ScheduledThreadPool>,
    /// Started at the first job: a pool that is never used costs one thread.
    blocking: OnceLock<ScheduledThreadPool>,
}

/// The process that first had workers.
static FIRST_STARTED_IN: OnceLock<Generation> = OnceLock::new();

static SHARED: Mutex<Weak<Workers>> = Mutex::new(Weak::new());

impl Workers {
    /// The process' workers, started if no pool has any.
    ///
    /// # Errors
    /// In a forked child whose parent had workers. Threads that slept at the fork do not exist in the child, yet the
    /// process' table of sleeping threads still lists them, in memory that the child's own threads are given next: sooner
    /// or later a wake-up there goes round in circles. Nothing but `exec` clears that table.
    pub(super) fn shared() -> Result<Arc<Self>, Error> {
        let first = FIRST_STARTED_IN.get_or_init(Generation::watch);
        if first.is_past() {
            return Err(Error::misuse(
                "the parent of this forked process has had a pool, so this process cannot have one: fork before the first pool is made and make one in each process, or call exec after fork",
            ));
        }
        let mut shared = SHARED.lock();
        if let Some(workers) = shared.upgrade() {
            return Ok(workers);
        }
        let workers = Arc::new(Self::start());
        *shared = Arc::downgrade(&workers);
        Ok(workers)
    }

    fn start() -> Self {
        let timer = ScheduledThreadPool::builder()
            .num_threads(1)
            .thread_name_pattern("holdfast-timer")
            .on_drop_behavior(OnPoolDropBehavior::DiscardPendingScheduled)
            .build();
        Self { timer: Arc::new(timer), blocking: OnceLock::new() }
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
