//! The scheduler of one executor: its lists of work and of workers, without the threads.
//!
//! What must hold:
//! - every added item wakes a parked worker or has one started, unless it is a job and all job permits are taken; a worker
//!   parks only when it has found no item that it may take. So no item waits while a worker that may take it is parked;
//! - chores come before held connections, and these before jobs, which may wait for a connection that only they can free;
//! - a worker that has a connection takes jobs first: other workers were woken for the rest.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use crate::sys::sync::Condvar;

/// Parks an idle worker.
#[derive(Default)]
pub(super) struct Parker {
    pub(super) woken: Condvar,
    /// The reason for waking it; changed under the executor's lock only.
    reason: AtomicU8,
}

const PARKED: u8 = 0;
const WOKEN: u8 = 1;
const WOKEN_FOR_JOBS: u8 = 2;

impl Parker {
    /// Returns whether its worker was woken.
    pub(super) fn is_woken(&self) -> bool {
        self.reason.load(Relaxed) != PARKED
    }
}

/// A worker's right to do jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Permit {
    #[default]
    None,
    /// The worker was woken or started for a job that it has not taken yet.
    ForNewJob,
    Used,
}

/// The worker to wake, after the lock is released.
pub(super) enum Wake {
    NotNeeded,
    Parked(Arc<Parker>),
    /// A thread is to be started. It is counted already, as is its permit.
    NewThread {
        permit: Permit,
    },
}

/// An item of work for a worker.
pub(super) enum Item<C, S, J> {
    Chore(C),
    Held(S),
    Job(J),
}

/// The lists of work. `C`: chores that must not wait. `S`: held connections with requests. `J`: jobs that need a connection of
/// the pool.
pub(super) struct Schedule<C, S, J> {
    chores: VecDeque<C>,
    held: VecDeque<S>,
    pub(super) jobs: VecDeque<J>,
    /// The worker parked last is woken first: its memory is warm, and the others may end.
    parked: Vec<Arc<Parker>>,
    threads: u32,
    /// Number of workers that do jobs or were woken for one. The waking thread takes the permit on the worker's behalf.
    permits_taken: u32,
    /// Number of those permits whose worker has not taken its job yet.
    unused_permits: u32,
    job_permits: u32,
    /// The last attempt to start a thread failed: the existing workers do everything.
    short_of_threads: bool,
}

impl<C, S, J> Schedule<C, S, J> {
    /// At most `job_permits` workers do jobs at the same time.
    pub(super) fn new(job_permits: u32) -> Self {
        Self {
            chores: VecDeque::new(),
            held: VecDeque::new(),
            jobs: VecDeque::new(),
            parked: Vec::new(),
            threads: 0,
            permits_taken: 0,
            unused_permits: 0,
            job_permits,
            short_of_threads: false,
        }
    }

    pub(super) fn add_job(&mut self, job: J) -> Wake {
        self.jobs.push_back(job);
        if !self.has_free_permit() {
            return Wake::NotNeeded;
        }
        self.permits_taken += 1;
        self.unused_permits += 1;
        self.wake(Permit::ForNewJob)
    }

    /// Returns whether an added job gets a worker of its own.
    pub(super) fn has_free_permit(&self) -> bool {
        self.permits_taken < self.job_permits
    }

    /// Returns the number of jobs that no worker is about to take: they wait for one that does other jobs.
    pub(super) fn waiting_jobs(&self) -> usize {
        self.jobs.len().saturating_sub(self.unused_permits as usize)
    }

    pub(super) fn add_held(&mut self, held: S) -> Wake {
        self.held.push_back(held);
        self.wake(Permit::None)
    }

    pub(super) fn add_chore(&mut self, chore: C) -> Wake {
        self.chores.push_back(chore);
        self.wake(Permit::None)
    }

    /// Takes a chore back that no worker has taken yet.
    pub(super) fn remove_chore(&mut self, is_it: impl FnMut(&C) -> bool) -> Option<C> {
        let index = self.chores.iter().position(is_it)?;
        self.chores.remove(index)
    }

    fn wake(&mut self, permit: Permit) -> Wake {
        if let Some(parker) = self.parked.pop() {
            let reason = if permit == Permit::None { WOKEN } else { WOKEN_FOR_JOBS };
            parker.reason.store(reason, Relaxed);
            return Wake::Parked(parker);
        }
        self.threads += 1;
        Wake::NewThread { permit }
    }

    /// Wakes all parked workers, so that each checks whether to end.
    pub(super) fn wake_all(&mut self) -> Vec<Arc<Parker>> {
        for parker in &self.parked {
            parker.reason.store(WOKEN, Relaxed);
        }
        mem::take(&mut self.parked)
    }

    pub(super) fn thread_started(&mut self) {
        self.short_of_threads = false;
    }

    /// Uncounts a thread that could not be started. Returns `false` when there is no worker at all to take the added item.
    pub(super) fn thread_failed(&mut self, mut permit: Permit) -> bool {
        self.threads -= 1;
        self.release_permit(&mut permit);
        self.short_of_threads = true;
        self.threads > 0
    }

    /// Takes the next item for a worker, and updates the worker's `permit`.
    pub(super) fn take(&mut self, permit: &mut Permit, has_connection: bool) -> Option<Item<C, S, J>> {
        if has_connection
            && !self.short_of_threads
            && let Some(job) = self.take_job(permit)
        {
            return Some(Item::Job(job));
        }
        if !self.chores.is_empty() || !self.held.is_empty() {
            self.release_permit(permit);
        }
        if let Some(chore) = self.chores.pop_front() {
            return Some(Item::Chore(chore));
        }
        if let Some(held) = self.held.pop_front() {
            return Some(Item::Held(held));
        }
        let job = self.take_job(permit);
        if job.is_none() {
            self.release_permit(permit);
        }
        job.map(Item::Job)
    }

    /// Returns how many of the waiting jobs fall to each worker.
    pub(super) fn share(&self) -> usize {
        self.jobs.len().div_ceil(self.job_permits.max(1) as usize)
    }

    /// Takes the next job, for a worker that has or finds a job permit.
    fn take_job(&mut self, permit: &mut Permit) -> Option<J> {
        let may_take = match permit {
            Permit::None => self.has_free_permit(),
            Permit::ForNewJob | Permit::Used => self.permits_taken <= self.job_permits,
        };
        if !may_take {
            return None;
        }
        let job = self.jobs.pop_front()?;
        match mem::replace(permit, Permit::Used) {
            Permit::None => self.permits_taken += 1,
            Permit::ForNewJob => self.unused_permits -= 1,
            Permit::Used => {}
        }
        Some(job)
    }

    fn release_permit(&mut self, permit: &mut Permit) {
        let released = mem::take(permit);
        self.permits_taken -= u32::from(released != Permit::None);
        self.unused_permits -= u32::from(released == Permit::ForNewJob);
    }

    pub(super) fn park(&mut self, parker: &Arc<Parker>) {
        self.parked.push(parker.clone());
    }

    /// Takes a worker off the parked list. Returns `true` when it was woken, with its permit in `permit`; `false` when it
    /// timed out.
    pub(super) fn unpark(&mut self, parker: &Arc<Parker>, permit: &mut Permit) -> bool {
        match parker.reason.swap(PARKED, Relaxed) {
            PARKED => {
                self.parked.retain(|other| !Arc::ptr_eq(other, parker));
                false
            }
            call => {
                *permit = if call == WOKEN_FOR_JOBS { Permit::ForNewJob } else { Permit::None };
                true
            }
        }
    }

    pub(super) fn thread_ended(&mut self) {
        self.threads -= 1;
    }

    /// Uncounts a worker whose thread ended amid its work. Another is to take its place if anything waits.
    pub(super) fn thread_lost(&mut self, permit: &mut Permit) -> Wake {
        self.release_permit(permit);
        self.thread_ended();
        if let Some(wake) = self.wake_for_waiting_job() {
            return wake;
        }
        if self.chores.is_empty() && self.held.is_empty() { Wake::NotNeeded } else { self.wake(Permit::None) }
    }

    /// Wakes a worker for a job that waits, if there is a permit for it.
    fn wake_for_waiting_job(&mut self) -> Option<Wake> {
        if self.waiting_jobs() == 0 || !self.has_free_permit() {
            return None;
        }
        self.permits_taken += 1;
        self.unused_permits += 1;
        Some(self.wake(Permit::ForNewJob))
    }

    /// Sets the number of workers that may do jobs at the same time, and wakes workers for jobs that waited for that. Workers
    /// beyond a lower number stop after the job they have.
    pub(super) fn set_job_permits(&mut self, job_permits: u32) -> Vec<Wake> {
        self.job_permits = job_permits;
        std::iter::from_fn(|| self.wake_for_waiting_job()).collect()
    }

    pub(super) fn take_jobs(&mut self, mut pick: impl FnMut(&J) -> bool) -> VecDeque<J> {
        let (picked, kept): (VecDeque<J>, _) =
            mem::take(&mut self.jobs).into_iter().partition(|job| pick(job));
        self.jobs = kept;
        picked
    }

    pub(super) fn remove_job(&mut self, is_it: impl Fn(&J) -> bool) -> Option<J> {
        let place = self.jobs.iter().position(is_it)?;
        self.jobs.remove(place)
    }

    pub(super) fn remove_held(&mut self, is_it: impl Fn(&S) -> bool) -> Option<S> {
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
    fn jobs_call_as_many_workers_as_there_are_permits_and_no_more() {
        let mut plan = Plan::new(2);
        assert!(is_new(&plan.add_job(1)) && is_new(&plan.add_job(2)));
        assert!(matches!(plan.add_job(3), Wake::NotNeeded));
        let (mut first, mut second, mut third) = (Permit::ForNewJob, Permit::ForNewJob, Permit::None);
        assert_eq!(job(plan.take(&mut first, false)), Some(1));
        assert_eq!(job(plan.take(&mut second, false)), Some(2));
        assert_eq!(job(plan.take(&mut third, false)), None, "no permit is left");
        assert_eq!(job(plan.take(&mut first, true)), Some(3), "a busy worker goes on by itself");
    }

    #[test]
    fn what_runs_on_a_held_connection_is_done_when_all_permits_are_taken() {
        let mut plan = Plan::new(1);
        let _ = plan.add_job(1);
        let mut permit = Permit::ForNewJob;
        assert_eq!(job(plan.take(&mut permit, false)), Some(1));
        let _ = plan.add_job(2);
        assert!(matches!(plan.add_held("in hand"), Wake::NewThread { permit: Permit::None }));
        assert!(matches!(plan.add_chore("cancel"), Wake::NewThread { permit: Permit::None }));
        let mut other = Permit::None;
        assert!(matches!(plan.take(&mut other, false), Some(Item::Chore("cancel"))));
        assert!(matches!(plan.take(&mut other, false), Some(Item::Held("in hand"))));
        assert!(plan.take(&mut other, false).is_none());
    }

    #[test]
    fn a_job_waits_when_no_worker_is_about_to_take_it() {
        let mut plan = Plan::new(1);
        let _ = plan.add_job(1);
        assert_eq!(plan.waiting_jobs(), 0, "a worker was started for it");
        let _ = plan.add_job(2);
        assert_eq!(plan.waiting_jobs(), 1);
        let mut permit = Permit::ForNewJob;
        assert_eq!(job(plan.take(&mut permit, false)), Some(1));
        assert_eq!(plan.waiting_jobs(), 1, "the only worker is busy");
        assert_eq!(job(plan.take(&mut permit, true)), Some(2));
        assert_eq!(plan.waiting_jobs(), 0);
        assert_eq!(job(plan.take(&mut permit, false)), None);
        assert_eq!((permit, plan.counts()), (Permit::None, (1, 0, 0)));
    }

    #[test]
    fn the_worker_parked_last_is_woken_first() {
        let mut plan = Plan::new(2);
        let parkers = [Arc::new(Parker::default()), Arc::new(Parker::default())];
        for _ in &parkers {
            let _ = plan.add_chore("chore");
        }
        for parker in &parkers {
            assert!(plan.take(&mut Permit::None, false).is_some());
            plan.park(parker);
        }
        assert!(matches!(plan.add_job(1), Wake::Parked(parker) if Arc::ptr_eq(&parker, &parkers[1])));
        let mut permit = Permit::None;
        assert!(plan.unpark(&parkers[1], &mut permit) && permit == Permit::ForNewJob);
        assert!(!plan.unpark(&parkers[0], &mut permit), "the other was not woken");
        plan.thread_ended();
        assert_eq!(plan.counts(), (1, 1, 0));
    }

    #[test]
    fn a_worker_called_to_a_job_that_does_something_else_first_gives_its_permit_up_meanwhile() {
        let mut plan = Plan::new(1);
        let _ = plan.add_job(1);
        let _ = plan.add_chore("cancel");
        let (mut woken_for_job, mut woken_for_chore) = (Permit::ForNewJob, Permit::None);
        assert!(matches!(plan.take(&mut woken_for_job, false), Some(Item::Chore("cancel"))));
        assert_eq!(woken_for_job, Permit::None);
        assert_eq!(job(plan.take(&mut woken_for_chore, false)), Some(1), "the other does the job");
    }

    #[test]
    fn more_permits_call_workers_to_the_jobs_that_wait_and_fewer_end_those_beyond_after_their_job() {
        let mut plan = Plan::new(1);
        for number in 1..=4 {
            let _ = plan.add_job(number);
        }
        let mut first = Permit::ForNewJob;
        assert_eq!(job(plan.take(&mut first, false)), Some(1));
        let wakes = plan.set_job_permits(3);
        assert!(wakes.len() == 2 && wakes.iter().all(is_new));
        let (mut second, mut third) = (Permit::ForNewJob, Permit::ForNewJob);
        assert_eq!(job(plan.take(&mut second, false)), Some(2));
        assert!(plan.set_job_permits(1).is_empty());
        assert_eq!(job(plan.take(&mut second, true)), None);
        assert_eq!(job(plan.take(&mut third, false)), None, "it has not begun");
        assert_eq!((second, third, plan.counts().1), (Permit::None, Permit::None, 1));
        assert_eq!(job(plan.take(&mut first, true)), Some(3), "the last one goes on");
        assert_eq!(job(plan.take(&mut first, true)), Some(4));
    }

    #[test]
    fn a_worker_that_is_lost_gives_up_its_permit_and_is_replaced_if_anything_waits() {
        let mut plan: Schedule<&str, &str, u32> = Schedule::new(1);
        assert!(is_new(&plan.add_job(1)));
        let mut permit = Permit::ForNewJob;
        assert_eq!(job(plan.take(&mut permit, false)), Some(1));
        assert!(matches!(plan.add_job(2), Wake::NotNeeded));
        assert!(matches!(plan.thread_lost(&mut permit), Wake::NewThread { permit: Permit::ForNewJob }));
        permit = Permit::ForNewJob;
        assert_eq!(job(plan.take(&mut permit, false)), Some(2));
        assert!(matches!(plan.thread_lost(&mut permit), Wake::NotNeeded));
        assert_eq!(plan.counts().0, 0);
    }

    #[test]
    fn when_no_thread_can_be_started_those_that_are_there_do_everything() {
        let mut plan = Plan::new(2);
        let Wake::NewThread { permit } = plan.add_job(1) else { panic!("a first thread") };
        assert!(!plan.thread_failed(permit), "no worker is left");
        assert_eq!(plan.remove_job(|job| *job == 1), Some(1));
        let _ = plan.add_job(2);
        let mut permit = Permit::ForNewJob;
        assert_eq!(job(plan.take(&mut permit, false)), Some(2));
        let _ = plan.add_job(3);
        let _ = plan.add_chore("cancel");
        assert!(plan.thread_failed(Permit::ForNewJob) && plan.thread_failed(Permit::None));
        assert!(matches!(plan.take(&mut permit, true), Some(Item::Chore("cancel"))));
        assert_eq!(job(plan.take(&mut permit, true)), Some(3));
        assert_eq!(plan.counts(), (1, 1, 0));
    }
}
