//! Who does what next: the lists of one executor and its threads, without the threads.
//!
//! What must hold:
//! - every item that is put in wakes a sleeping worker or has one started, unless it is a job and as many workers as are
//!   allowed to are busy with jobs; a worker sleeps only when it has found nothing that it may do. So nothing waits while
//!   somebody who could do it sleeps;
//! - chores come before sequences, and these before jobs, which may wait for a connection that only they can free;
//! - a worker that has a connection goes on with jobs first: others were called for the rest.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use parking_lot::Condvar;

/// Where a worker sleeps.
#[derive(Default)]
pub(super) struct Parker {
    pub(super) woken: Condvar,
    /// What it was woken for; changed under the executor's lock only.
    call: AtomicU8,
}

const PARKED: u8 = 0;
const WOKEN: u8 = 1;
const WOKEN_FOR_JOBS: u8 = 2;

impl Parker {
    /// Whether its owner may get up.
    pub(super) fn is_woken(&self) -> bool {
        self.call.load(Relaxed) != PARKED
    }
}

/// Whom to wake, after the lock is gone.
pub(super) enum Wake {
    NotNeeded,
    Parked(Arc<Parker>),
    /// A thread is to be started, and is counted already; whether it is has_job_permit.
    NewThread {
        has_job_permit: bool,
    },
}

/// What a worker is to do.
pub(super) enum Item<C, S, J> {
    Chore(C),
    Held(S),
    Job(J),
}

/// `C`: what must not wait. `S`: connections in hand that have something to do. `J`: what needs a connection of the pool.
pub(super) struct Schedule<C, S, J> {
    chores: VecDeque<C>,
    held: VecDeque<S>,
    pub(super) jobs: VecDeque<J>,
    /// The one that lay down last gets up first: its memory is warm, and the others may end.
    parked: Vec<Arc<Parker>>,
    threads: u32,
    /// Workers that do jobs, or were called to. A seat is taken on a worker's behalf by whoever calls it.
    permits_taken: u32,
    job_permits: u32,
    /// The last attempt to start a thread failed: whoever is there does everything.
    short_of_threads: bool,
}

impl<C, S, J> Schedule<C, S, J> {
    /// At most `seats` workers do jobs at the same time.
    pub(super) fn new(job_permits: u32) -> Self {
        Self {
            chores: VecDeque::new(),
            held: VecDeque::new(),
            jobs: VecDeque::new(),
            parked: Vec::new(),
            threads: 0,
            permits_taken: 0,
            job_permits,
            short_of_threads: false,
        }
    }

    pub(super) fn add_job(&mut self, job: J) -> Wake {
        self.jobs.push_back(job);
        if self.permits_taken >= self.job_permits {
            return Wake::NotNeeded;
        }
        self.permits_taken += 1;
        self.call(true)
    }

    pub(super) fn add_held(&mut self, sequence: S) -> Wake {
        self.held.push_back(sequence);
        self.call(false)
    }

    pub(super) fn add_chore(&mut self, chore: C) -> Wake {
        self.chores.push_back(chore);
        self.call(false)
    }

    fn call(&mut self, to_jobs: bool) -> Wake {
        if let Some(parker) = self.parked.pop() {
            parker.call.store(if to_jobs { WOKEN_FOR_JOBS } else { WOKEN }, Relaxed);
            return Wake::Parked(parker);
        }
        self.threads += 1;
        Wake::NewThread { has_job_permit: to_jobs }
    }

    /// Everybody gets up, to look whether to go.
    pub(super) fn wake_all(&mut self) -> Vec<Arc<Parker>> {
        for parker in &self.parked {
            parker.call.store(WOKEN, Relaxed);
        }
        mem::take(&mut self.parked)
    }

    pub(super) fn thread_started(&mut self) {
        self.short_of_threads = false;
    }

    /// A thread that was counted could not be started. `false` when there is none at all, so that nobody will do what was
    /// put in.
    pub(super) fn thread_failed(&mut self, has_job_permit: bool) -> bool {
        self.threads -= 1;
        self.permits_taken -= u32::from(has_job_permit);
        self.short_of_threads = true;
        self.threads > 0
    }

    /// What a worker is to do next; `has_job_permit` is its own mark.
    pub(super) fn take(&mut self, has_job_permit: &mut bool, has_connection: bool) -> Option<Item<C, S, J>> {
        if has_connection
            && !self.short_of_threads
            && let Some(job) = self.take_job(has_job_permit)
        {
            return Some(Item::Job(job));
        }
        if !self.chores.is_empty() || !self.held.is_empty() {
            self.release_permit(has_job_permit);
        }
        if let Some(chore) = self.chores.pop_front() {
            return Some(Item::Chore(chore));
        }
        if let Some(sequence) = self.held.pop_front() {
            return Some(Item::Held(sequence));
        }
        let job = self.take_job(has_job_permit);
        if job.is_none() {
            self.release_permit(has_job_permit);
        }
        job.map(Item::Job)
    }

    /// How many of the jobs that wait come to each worker.
    pub(super) fn share(&self) -> usize {
        self.jobs.len().div_ceil(self.job_permits.max(1) as usize)
    }

    /// The next job, for a worker that has or finds a seat.
    fn take_job(&mut self, has_job_permit: &mut bool) -> Option<J> {
        if !*has_job_permit && (self.permits_taken >= self.job_permits || self.jobs.is_empty()) {
            return None;
        }
        let job = self.jobs.pop_front()?;
        self.permits_taken += u32::from(!*has_job_permit);
        *has_job_permit = true;
        Some(job)
    }

    fn release_permit(&mut self, has_job_permit: &mut bool) {
        self.permits_taken -= u32::from(mem::take(has_job_permit));
    }

    pub(super) fn park(&mut self, parker: &Arc<Parker>) {
        self.parked.push(parker.clone());
    }

    /// A worker got up. `true` when it was called; then whether it was given a seat is put into `has_job_permit`. `false` when it
    /// slept in, so that it is nobody's any more.
    pub(super) fn unpark(&mut self, parker: &Arc<Parker>, has_job_permit: &mut bool) -> bool {
        match parker.call.swap(PARKED, Relaxed) {
            PARKED => {
                self.parked.retain(|other| !Arc::ptr_eq(other, parker));
                false
            }
            call => {
                *has_job_permit = call == WOKEN_FOR_JOBS;
                true
            }
        }
    }

    pub(super) fn thread_ended(&mut self) {
        self.threads -= 1;
    }

    pub(super) fn take_jobs(&mut self, mut pick: impl FnMut(&J) -> bool) -> VecDeque<J> {
        let (picked, kept): (VecDeque<J>, _) =
            mem::take(&mut self.jobs).into_iter().partition(|job| pick(job));
        self.jobs = kept;
        picked
    }

    pub(super) fn take_out(&mut self, is_it: impl Fn(&J) -> bool) -> Option<J> {
        let place = self.jobs.iter().position(is_it)?;
        self.jobs.remove(place)
    }

    pub(super) fn take_out_held(&mut self, is_it: impl Fn(&S) -> bool) -> Option<S> {
        let place = self.held.iter().position(is_it)?;
        self.held.remove(place)
    }

    #[cfg(test)]
    pub(super) fn counts(&self) -> (u32, u32, usize) {
        (self.threads, self.permits_taken, self.parked.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Plan = Schedule<&'static str, &'static str, u32>;

    fn is_new(wake: &Wake) -> bool {
        matches!(wake, Wake::NewThread { .. })
    }

    fn job(item: Option<Item<&str, &str, u32>>) -> Option<u32> {
        match item {
            Some(Item::Job(job)) => Some(job),
            Some(_) => panic!("no job"),
            None => None,
        }
    }

    #[test]
    fn jobs_call_as_many_workers_as_there_are_seats_and_no_more() {
        let mut plan = Plan::new(2);
        assert!(is_new(&plan.add_job(1)) && is_new(&plan.add_job(2)));
        assert!(matches!(plan.add_job(3), Wake::NotNeeded));
        let (mut first, mut second, mut third) = (true, true, false);
        assert_eq!(job(plan.take(&mut first, false)), Some(1));
        assert_eq!(job(plan.take(&mut second, false)), Some(2));
        assert_eq!(job(plan.take(&mut third, false)), None, "no held is left");
        assert_eq!(job(plan.take(&mut first, true)), Some(3), "a busy worker goes on by itself");
    }

    #[test]
    fn what_runs_on_a_connection_in_hand_is_done_when_all_seats_are_taken() {
        let mut plan = Plan::new(1);
        let _ = plan.add_job(1);
        let mut has_job_permit = true;
        assert_eq!(job(plan.take(&mut has_job_permit, false)), Some(1));
        let _ = plan.add_job(2);
        assert!(matches!(plan.add_held("in hand"), Wake::NewThread { has_job_permit: false }));
        assert!(matches!(plan.add_chore("cancel"), Wake::NewThread { has_job_permit: false }));
        let mut other = false;
        assert!(matches!(plan.take(&mut other, false), Some(Item::Chore("cancel"))));
        assert!(matches!(plan.take(&mut other, false), Some(Item::Held("in hand"))));
        assert!(plan.take(&mut other, false).is_none());
    }

    #[test]
    fn the_worker_that_lay_down_last_gets_up_first() {
        let mut plan = Plan::new(2);
        let parkers = [Arc::new(Parker::default()), Arc::new(Parker::default())];
        for _ in &parkers {
            let _ = plan.add_chore("chore");
        }
        for parker in &parkers {
            assert!(plan.take(&mut false, false).is_some());
            plan.park(parker);
        }
        assert!(matches!(plan.add_job(1), Wake::Parked(parker) if Arc::ptr_eq(&parker, &parkers[1])));
        let mut has_job_permit = false;
        assert!(plan.unpark(&parkers[1], &mut has_job_permit) && has_job_permit);
        assert!(!plan.unpark(&parkers[0], &mut has_job_permit), "nobody called the other");
        plan.thread_ended();
        assert_eq!(plan.counts(), (1, 1, 0));
    }

    #[test]
    fn a_worker_called_to_a_job_that_does_something_else_first_gives_its_seat_up_meanwhile() {
        let mut plan = Plan::new(1);
        let _ = plan.add_job(1);
        let _ = plan.add_chore("cancel");
        let (mut called_to_job, mut called_to_chore) = (true, false);
        assert!(matches!(plan.take(&mut called_to_job, false), Some(Item::Chore("cancel"))));
        assert!(!called_to_job);
        assert_eq!(job(plan.take(&mut called_to_chore, false)), Some(1), "the other does the job");
    }

    #[test]
    fn when_no_thread_can_be_started_those_that_are_there_do_everything() {
        let mut plan = Plan::new(2);
        let Wake::NewThread { has_job_permit } = plan.add_job(1) else { panic!("a first thread") };
        assert!(!plan.thread_failed(has_job_permit), "nobody is there");
        assert_eq!(plan.take_out(|job| *job == 1), Some(1));
        let _ = plan.add_job(2);
        let mut has_job_permit = true;
        assert_eq!(job(plan.take(&mut has_job_permit, false)), Some(2));
        let _ = plan.add_job(3);
        let _ = plan.add_chore("cancel");
        assert!(plan.thread_failed(true) && plan.thread_failed(false));
        assert!(matches!(plan.take(&mut has_job_permit, true), Some(Item::Chore("cancel"))));
        assert_eq!(job(plan.take(&mut has_job_permit, true)), Some(3));
        assert_eq!(plan.counts(), (1, 1, 0));
    }
}
