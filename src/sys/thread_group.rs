//! Threads for work that may block, shared fairly between owners of work. The first exists from the start, so that work always
//! has one; the others are started when there is more to do, and where that fails, the first does it all.
//!
//! Work at a frozen host holds its thread until a time limit. So the work of one owner never takes all threads: each owner gets its
//! first thread whatever the others do, as long as there are fewer than [`MOST_THREADS`], and further ones only while they are not
//! scarce.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::sync::{Condvar, Mutex};
use super::thread::Thread;
use super::timer::Job;

/// The most threads that work for one owner. The many connections of one frozen host wait for each other.
const MOST_PER_OWNER: usize = 4;

/// The most threads. Only beyond so many owners whose hosts are all frozen at once does one delay another.
const MOST_THREADS: usize = 256;

/// From so many busy threads on, each owner has one.
const SCARCE_FROM: usize = MOST_THREADS / 2;

/// How long a thread other than the last lives without work.
const IDLE_LIFE: Duration = Duration::from_secs(10);

/// Its threads do what is queued, and end, when this is dropped.
pub(crate) struct ThreadGroup(Arc<Shared>);

struct Shared {
    name: &'static str,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<(usize, Job)>,
    /// Jobs under way, by owner; none of 0.
    running: HashMap<usize, usize>,
    /// Jobs under way.
    busy: usize,
    threads: usize,
    /// Threads that wait for a job.
    idle: usize,
    has_ended: bool,
}

impl State {
    fn may_run(&self, owner: usize) -> bool {
        let running = self.running.get(&owner).copied().unwrap_or(0);
        running == 0 || (running < MOST_PER_OWNER && self.busy < SCARCE_FROM)
    }

    /// Takes the first job that may run.
    fn take(&mut self) -> Option<(usize, Job)> {
        let place = self.jobs.iter().position(|(owner, _)| self.may_run(*owner))?;
        let (owner, job) = self.jobs.remove(place)?;
        *self.running.entry(owner).or_default() += 1;
        self.busy += 1;
        Some((owner, job))
    }

    /// Returns whether the jobs that may run, the last one included, are more than the threads that wait.
    fn needs_thread(&self, owner: usize) -> bool {
        let of_owner = self.jobs.iter().filter(|(other, _)| *other == owner).count();
        let running = self.running.get(&owner).copied().unwrap_or(0);
        let ready = self.jobs.iter().filter(|(owner, _)| self.may_run(*owner)).count();
        running + of_owner <= MOST_PER_OWNER && ready > self.idle && self.threads < MOST_THREADS
    }
}

impl ThreadGroup {
    /// # Errors
    /// When the system has no thread for it.
    pub(crate) fn start(name: &'static str) -> io::Result<Self> {
        let shared = Shared { name, state: Mutex::default(), changed: Condvar::new() };
        let shared = Arc::new(shared);
        shared.state.lock().threads = 1;
        shared.start_thread()?;
        Ok(Self(shared))
    }

    /// Runs `job` as soon as its owner has a thread. It must not panic.
    ///
    /// # Errors
    /// When every thread was ended by its job and the system has no other. `job` is dropped, which must give back what it
    /// holds.
    pub(crate) fn run(&self, owner: usize, job: Job) -> io::Result<()> {
        let mut state = self.0.state.lock();
        state.jobs.push_back((owner, job));
        let needs_another = state.needs_thread(owner);
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

/// Replaces a thread if its job ended it (a callback of the program's can, by `pthread_exit`).
struct Counted {
    shared: Arc<Shared>,
    has_ended: bool,
}

impl Drop for Counted {
    fn drop(&mut self) {
        if self.has_ended {
            return;
        }
        if let Err(e) = self.shared.start_thread() {
            log::error!(target: "holdfast", "the system gave the pools no thread to work on: {e}");
        }
    }
}

/// Uncounts a job on every way out.
struct Running<'a> {
    shared: &'a Shared,
    owner: usize,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.busy -= 1;
        if let Some(running) = state.running.get_mut(&self.owner) {
            *running -= 1;
            if *running == 0 {
                state.running.remove(&self.owner);
            }
        }
    }
}

impl Shared {
    /// Starts a thread that is counted already; uncounted where there is none.
    fn start_thread(self: &Arc<Self>) -> io::Result<()> {
        let me = self.clone();
        let run = move || {
            let mut counted = Counted { shared: me, has_ended: false };
            while let Some((owner, job)) = counted.shared.next() {
                let _running = Running { shared: &counted.shared, owner };
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

    /// Waits for a job; `None` at the end, which uncounts the thread.
    fn next(&self) -> Option<(usize, Job)> {
        let mut state = self.state.lock();
        let mut is_surplus = false;
        loop {
            if let Some(job) = state.take() {
                return Some(job);
            }
            if state.has_ended || (is_surplus && state.threads > 1) {
                state.threads -= 1;
                return None;
            }
            state.idle += 1;
            if state.threads > 1 {
                is_surplus = self.changed.wait_for(&mut state, IDLE_LIFE).timed_out();
            } else {
                // The last thread stays, so nothing has to wake it but work.
                self.changed.wait(&mut state);
                is_surplus = false;
            }
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
        let group = ThreadGroup::start("test-group").unwrap();
        let (sender, ran) = mpsc::channel();
        let mut releases = Vec::new();
        for _ in 0..2 {
            let (release, released) = mpsc::channel::<()>();
            releases.push(release);
            let sender = sender.clone();
            group.run(1, Box::new(move || sender.send(released.recv().is_err()).unwrap())).unwrap();
        }
        let quick = sender.clone();
        group.run(1, Box::new(move || quick.send(false).unwrap())).unwrap();
        assert_eq!(ran.recv_timeout(Duration::from_secs(10)), Ok(false));
        drop(releases);
        drop(group);
        assert_eq!((ran.recv(), ran.recv()), (Ok(true), Ok(true)));
    }

    #[test]
    fn owners_whose_jobs_hang_delay_no_other_owner() {
        let group = ThreadGroup::start("test-owners").unwrap();
        let (hold, held) = mpsc::channel::<()>();
        let held = Arc::new(Mutex::new(held));
        for owner in 0..40 {
            for _ in 0..10 {
                let held = held.clone();
                group.run(owner, Box::new(move || assert!(held.lock().recv().is_err()))).unwrap();
            }
        }
        let (sender, ran) = mpsc::channel();
        group.run(40, Box::new(move || sender.send(()).unwrap())).unwrap();
        ran.recv_timeout(Duration::from_secs(10)).expect("another owner has a thread");
        assert!(group.0.state.lock().running.values().all(|running| *running <= MOST_PER_OWNER));
        drop(hold);
    }

    #[test]
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    #[allow(unsafe_code)]
    fn a_job_that_ends_its_thread_costs_nothing_but_itself() {
        unsafe extern "C-unwind" {
            fn pthread_exit(value: *mut libc::c_void) -> !;
        }
        let group = ThreadGroup::start("test-exits").unwrap();
        let (sender, ran) = mpsc::channel();
        for round in 0..50 {
            // SAFETY: the frames up to the thread's start let it pass.
            group.run(1, Box::new(|| unsafe { pthread_exit(std::ptr::null_mut()) })).unwrap();
            let sender = sender.clone();
            group.run(1, Box::new(move || sender.send(round).unwrap())).unwrap();
            assert_eq!(ran.recv_timeout(Duration::from_secs(10)), Ok(round));
        }
    }
}
