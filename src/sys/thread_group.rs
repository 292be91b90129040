//! A few threads for work that may block. The first exists from the start, so that work always has one; the others are started
//! when there is more to do, and where that fails, the first does it all.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use super::sync::{Condvar, Mutex};
use super::thread::Thread;
use super::timer::Job;

/// Its threads do what is queued, and end, when this is dropped.
pub(crate) struct ThreadGroup(Arc<Shared>);

struct Shared {
    name: &'static str,
    most: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    /// Threads that wait for a job.
    idle: usize,
    has_ended: bool,
}

impl ThreadGroup {
    /// # Errors
    /// When the system has no thread for it.
    pub(crate) fn start(name: &'static str, most: usize) -> io::Result<Self> {
        let shared = Shared { name, most, state: Mutex::default(), changed: Condvar::new() };
        let shared = Arc::new(shared);
        shared.state.lock().threads = 1;
        shared.start_thread()?;
        Ok(Self(shared))
    }

    /// Runs `job` soon. It must not panic.
    ///
    /// # Errors
    /// When every thread was ended by its job and the system has no other. `job` is dropped, which must give back what it
    /// holds.
    pub(crate) fn run(&self, job: Job) -> io::Result<()> {
        let mut state = self.0.state.lock();
        state.jobs.push_back(job);
        let needs_another = state.jobs.len() > state.idle && state.threads < self.0.most;
        state.threads += usize::from(needs_another);
        drop(state);
        self.0.changed.notify_one();
        if !needs_another {
            return Ok(());
        }
        let started = self.0.start_thread();
        let mut state = self.0.state.lock();
        if started.is_err() && state.threads == 0 {
            let unrun = std::mem::take(&mut state.jobs);
            drop(state);
            drop(unrun);
            return started;
        }
        Ok(())
    }
}

impl Drop for ThreadGroup {
    fn drop(&mut self) {
        self.0.state.lock().has_ended = true;
        self.0.changed.notify_all();
    }
}

/// Uncounts a thread on every way out, and replaces it if its job ended it (a callback of the program's can, by
/// `pthread_exit`).
struct Counted {
    shared: Arc<Shared>,
    has_ended: bool,
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        if self.has_ended {
            state.threads -= 1;
            return;
        }
        drop(state);
        if let Err(e) = self.shared.start_thread() {
            log::error!(target: "holdfast", "the system gave the pools no thread to work on: {e}");
        }
    }
}

impl Shared {
    /// Starts a thread that is counted already; uncounted where there is none.
    fn start_thread(self: &Arc<Self>) -> io::Result<()> {
        let me = self.clone();
        let run = move || {
            let mut counted = Counted { shared: me, has_ended: false };
            while let Some(job) = counted.shared.next() {
                job();
            }
            counted.has_ended = true;
        };
        let started = Thread::start(self.name, run);
        if started.is_err() {
            self.state.lock().threads -= 1;
        }
        started.map(drop)
    }

    /// Waits for a job; `None` at the end.
    fn next(&self) -> Option<Job> {
        let mut state = self.state.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            if state.has_ended {
                return None;
            }
            state.idle += 1;
            self.changed.wait(&mut state);
            state.idle -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn jobs_that_block_do_not_hold_up_others_as_long_as_there_are_threads() {
        let group = ThreadGroup::start("test-group", 3).unwrap();
        let (sender, ran) = mpsc::channel();
        let mut releases = Vec::new();
        for _ in 0..2 {
            let (release, released) = mpsc::channel::<()>();
            releases.push(release);
            let sender = sender.clone();
            group.run(Box::new(move || sender.send(released.recv().is_err()).unwrap())).unwrap();
        }
        let quick = sender.clone();
        group.run(Box::new(move || quick.send(false).unwrap())).unwrap();
        assert_eq!(ran.recv_timeout(Duration::from_secs(10)), Ok(false));
        drop(releases);
        drop(group);
        assert_eq!((ran.recv(), ran.recv()), (Ok(true), Ok(true)));
    }

    #[test]
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    #[allow(unsafe_code)]
    fn a_job_that_ends_its_thread_costs_nothing_but_itself() {
        unsafe extern "C-unwind" {
            fn pthread_exit(value: *mut libc::c_void) -> !;
        }
        let group = ThreadGroup::start("test-exits", 2).unwrap();
        let (sender, ran) = mpsc::channel();
        for round in 0..50 {
            // SAFETY: the frames up to the thread's start let it pass.
            group.run(Box::new(|| unsafe { pthread_exit(std::ptr::null_mut()) })).unwrap();
            let sender = sender.clone();
            group.run(Box::new(move || sender.send(round).unwrap())).unwrap();
            assert_eq!(ran.recv_timeout(Duration::from_secs(10)), Ok(round));
        }
    }
}
