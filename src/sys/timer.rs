//! A timer: jobs that run when they are due, one after the other, on one thread.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::sync::{Condvar, Mutex};
use super::thread::Thread;

pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// Ends its thread when dropped; jobs that are not due by then never run.
pub(crate) struct Timer(Arc<Shared>);

struct Shared {
    name: &'static str,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    jobs: BinaryHeap<Reverse<Entry>>,
    /// Jobs set so far: those due at the same time run in the order in which they were set.
    count: u64,
    has_ended: bool,
    has_thread: bool,
}

struct Entry {
    due: Instant,
    number: u64,
    job: Job,
}

impl Entry {
    fn key(&self) -> (Instant, u64) {
        (self.due, self.number)
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

/// Longer than any program runs, and short enough to add to any moment.
const FAR: Duration = Duration::from_secs(100 * 365 * 86_400);

impl Timer {
    /// # Errors
    /// When the system has no thread for it.
    pub(crate) fn start(name: &'static str) -> io::Result<Self> {
        let shared = Arc::new(Shared { name, state: Mutex::default(), changed: Condvar::new() });
        shared.start_thread()?;
        Ok(Self(shared))
    }

    /// Runs `job` after `delay`. It must not block, and must not panic.
    pub(crate) fn after(&self, delay: Duration, job: Job) {
        let due = Instant::now() + delay.min(FAR);
        let mut state = self.0.state.lock();
        state.count += 1;
        let number = state.count;
        let is_next = state.jobs.peek().is_none_or(|Reverse(next)| due < next.due);
        state.jobs.push(Reverse(Entry { due, number, job }));
        let is_without_thread = !state.has_thread;
        drop(state);
        if is_without_thread {
            // Its job ended it, and no other could be had then.
            self.0.replace_thread();
        } else if is_next {
            self.0.changed.notify_one();
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.has_ended = true;
        let unrun = std::mem::take(&mut state.jobs);
        drop(state);
        self.0.changed.notify_one();
        drop(unrun);
    }
}

/// Replaces the thread if a job ends it (a callback of the program's can, by `pthread_exit`).
struct OnThread(Arc<Shared>);

impl Drop for OnThread {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.has_thread = false;
        let has_ended = state.has_ended;
        drop(state);
        if !has_ended {
            self.0.replace_thread();
        }
    }
}

impl Shared {
    /// Starts the thread unless it runs.
    fn start_thread(self: &Arc<Self>) -> io::Result<()> {
        if std::mem::replace(&mut self.state.lock().has_thread, true) {
            return Ok(());
        }
        let me = self.clone();
        let started = Thread::start(self.name, move || OnThread(me).0.run());
        if started.is_err() {
            self.state.lock().has_thread = false;
        }
        started.map(drop)
    }

    /// Where there is no thread to be had, the next job tries again.
    fn replace_thread(self: &Arc<Self>) {
        if let Err(e) = self.start_thread() {
            log::error!(target: "holdfast", "the system gave no thread to keep time on: {e}");
        }
    }

    fn run(&self) {
        while let Some(job) = self.next() {
            job();
        }
    }

    /// Waits for the next job to be due; `None` at the end.
    fn next(&self) -> Option<Job> {
        let mut state = self.state.lock();
        loop {
            if state.has_ended {
                return None;
            }
            let now = Instant::now();
            match state.jobs.peek() {
                Some(Reverse(next)) if next.due <= now => {
                    return state.jobs.pop().map(|Reverse(next)| next.job);
                }
                Some(Reverse(next)) => {
                    let due = next.due;
                    self.changed.wait_until(&mut state, due);
                }
                None => self.changed.wait(&mut state),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn jobs_run_when_due_in_order_and_never_after_the_end() {
        let timer = Timer::start("test-timer").unwrap();
        let (sender, ran) = mpsc::channel();
        let send = |n| {
            let sender = sender.clone();
            Box::new(move || sender.send(n).unwrap())
        };
        timer.after(Duration::from_millis(40), send(3));
        timer.after(Duration::from_millis(20), send(1));
        timer.after(Duration::from_millis(20), send(2));
        timer.after(Duration::from_secs(60), send(4));
        timer.after(Duration::MAX, send(5));
        drop(sender);
        assert_eq!([ran.recv(), ran.recv(), ran.recv()], [Ok(1), Ok(2), Ok(3)]);
        drop(timer);
        assert!(ran.recv().is_err(), "what was not due is dropped");
    }
}
