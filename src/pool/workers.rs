//! The threads that all pools of the process share; a pool starts none of its own.
//!
//! The timer thread never blocks, so that idle connections are closed on time in any state of the network. A few threads do
//! short work that may block: cleaning a returned connection, validating, closing. A few others open connections, which
//! takes up to `connection_timeout` at a frozen host: several such hosts must not delay the short work of other pools.
//! All threads end with the last pool.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use scheduled_thread_pool::{OnPoolDropBehavior, ScheduledThreadPool};

use crate::error::{Error, ErrorKind};
use crate::sys::fork::Generation;

/// The number of threads for short work, and of those for openings.
const THREADS_PER_KIND: usize = 4;

pub(super) struct Workers {
    timer: Arc<ScheduledThreadPool>,
    short_work: BlockingThreads,
    openings: BlockingThreads,
}

/// The threads for one kind of work that may block. The first job starts them: a pool that is never used costs one thread.
struct BlockingThreads {
    name_pattern: &'static str,
    threads: OnceLock<ScheduledThreadPool>,
    /// Held while the threads are started.
    starting: Mutex<()>,
}

/// The process that first had workers.
static FIRST_STARTED_IN: OnceLock<Generation> = OnceLock::new();

static SHARED: Mutex<Weak<Workers>> = Mutex::new(Weak::new());

impl Workers {
    /// Returns the process' workers, started if no pool has any.
    ///
    /// # Errors
    /// When the system has no threads; in a forked child whose parent had workers. Threads that slept at the fork do not exist
    /// in the child. But the process' table of sleeping threads still lists them, in memory that the child's own threads are
    /// given next: sooner or later a wake-up there loops for ever. Nothing but `exec` clears that table.
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
        let workers = Arc::new(Self::start()?);
        *shared = Arc::downgrade(&workers);
        Ok(workers)
    }

    /// # Errors
    /// When the system has no thread for it.
    fn start() -> Result<Self, Error> {
        let start = || {
            ScheduledThreadPool::builder()
                .num_threads(1)
                .thread_name_pattern("holdfast-timer")
                .on_drop_behavior(OnPoolDropBehavior::DiscardPendingScheduled)
                .build()
        };
        let timer = started(start).ok_or_else(|| {
            let message =
                "the system gave the pool no thread to keep time on: it is out of threads or of memory";
            Error::new(ErrorKind::Config, message)
        })?;
        Ok(Self {
            timer: Arc::new(timer),
            short_work: BlockingThreads::named("holdfast-work-{}"),
            openings: BlockingThreads::named("holdfast-open-{}"),
        })
    }

    /// Returns the thread on which r2d2 makes its slots.
    pub(super) fn timer(&self) -> Arc<ScheduledThreadPool> {
        self.timer.clone()
    }

    /// Runs `job` after `delay` on the timer thread. It must not block.
    pub(super) fn after(&self, delay: Duration, job: impl FnOnce() + Send + 'static) {
        self.timer.execute_after(delay, move || contained(job));
    }

    /// Runs `job` after `delay` as [`Workers::after`] does, if `owner` still exists then. Does not keep `owner` alive.
    pub(super) fn after_if_alive<T: Send + Sync + 'static>(
        &self,
        owner: &Arc<T>,
        delay: Duration,
        job: impl FnOnce(&Arc<T>) + Send + 'static,
    ) {
        let owner = Arc::downgrade(owner);
        self.after(delay, move || {
            if let Some(owner) = owner.upgrade() {
                job(&owner);
            }
        });
    }

    /// Runs short `job` soon, on a thread that may block for a bounded time. Where the system has no threads, `job` is
    /// dropped: that gives back the capacity, flights and connections it holds.
    pub(super) fn run(&self, job: impl FnOnce() + Send + 'static) {
        self.short_work.run(job);
    }

    /// Runs `job`, which opens a connection, on a thread for openings. Otherwise as [`Workers::run`].
    pub(super) fn run_opening(&self, job: impl FnOnce() + Send + 'static) {
        self.openings.run(job);
    }
}

impl BlockingThreads {
    const fn named(name_pattern: &'static str) -> Self {
        Self { name_pattern, threads: OnceLock::new(), starting: Mutex::new(()) }
    }

    fn run(&self, job: impl FnOnce() + Send + 'static) {
        match self.started() {
            Some(threads) => drop(threads.execute(move || contained(job))),
            None => {
                log::error!(target: "holdfast", "the system gave the pools no threads to work on: a job is dropped")
            }
        }
    }

    /// `None` when the system has no threads for them now.
    fn started(&self) -> Option<&ScheduledThreadPool> {
        if self.threads.get().is_none() {
            let starting = self.starting.lock();
            if self.threads.get().is_none() {
                let _ = self.threads.set(started(|| self.start())?);
            }
            drop(starting);
        }
        self.threads.get()
    }

    fn start(&self) -> ScheduledThreadPool {
        ScheduledThreadPool::builder()
            .num_threads(THREADS_PER_KIND)
            .thread_name_pattern(self.name_pattern)
            .on_drop_behavior(OnPoolDropBehavior::CompletePendingScheduled)
            .build()
    }
}

/// Runs a job. A panic ends neither the thread nor the jobs behind it.
fn contained(job: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(job)) {
        log::error!(target: "holdfast", "a job of a pool panicked, please report this as a bug: {}", panic_text(&*panic));
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("not told")
}

/// Starts threads. Returns `None` when the system has none, which their pool reports by a panic.
fn started(start: impl FnOnce() -> ScheduledThreadPool) -> Option<ScheduledThreadPool> {
    catch_unwind(AssertUnwindSafe(start)).ok()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_job_that_panics_ends_no_thread() {
        let workers = Workers::shared().unwrap();
        for _ in 0..3 * THREADS_PER_KIND {
            workers.run(|| panic!("on purpose"));
            workers.run_opening(|| panic!("on purpose"));
            workers.after(Duration::ZERO, || panic!("on purpose"));
        }
        let (sender, done) = mpsc::channel();
        for _ in 0..2 {
            let sender = sender.clone();
            workers.run(move || sender.send(()).unwrap());
        }
        let opened = sender.clone();
        workers.run_opening(move || opened.send(()).unwrap());
        workers.after(Duration::ZERO, move || sender.send(()).unwrap());
        for _ in 0..4 {
            done.recv_timeout(Duration::from_secs(10)).unwrap();
        }
    }

    #[test]
    fn openings_that_hang_hold_up_no_short_work() {
        let workers = Workers::shared().unwrap();
        let (hold, held) = mpsc::channel::<()>();
        let held = Arc::new(Mutex::new(held));
        for _ in 0..2 * THREADS_PER_KIND {
            let held = held.clone();
            workers.run_opening(move || assert!(held.lock().recv().is_err()));
        }
        let (sender, done) = mpsc::channel();
        workers.run(move || sender.send(()).unwrap());
        done.recv_timeout(Duration::from_secs(10)).unwrap();
        drop(hold);
    }
}
