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
pub(super) struct Bed {
    pub(super) woken: Condvar,
    /// What it was woken for; changed under the executor's lock only.
    call: AtomicU8,
}

const ASLEEP: u8 = 0;
const CALLED: u8 = 1;
const CALLED_TO_JOBS: u8 = 2;

impl Bed {
    /// Whether its owner may get up.
    pub(super) fn is_called(&self) -> bool {
        self.call.load(Relaxed) != ASLEEP
    }
}

/// Whom to wake, after the lock is gone.
pub(super) enum Wake {
    Nobody,
    Sleeper(Arc<Bed>),
    /// A thread is to be started, and is counted already; whether it is seated.
    NewThread {
        seated: bool,
    },
}

/// What a worker is to do.
pub(super) enum Item<C, S, J> {
    Chore(C),
    Sequence(S),
    Job(J),
}

/// `C`: what must not wait. `S`: connections in hand that have something to do. `J`: what needs a connection of the pool.
pub(super) struct Schedule<C, S, J> {
    chores: VecDeque<C>,
    sequences: VecDeque<S>,
    pub(super) jobs: VecDeque<J>,
    /// The one that lay down last gets up first: its memory is warm, and the others may end.
    asleep: Vec<Arc<Bed>>,
    threads: u32,
    /// Workers that do jobs, or were called to. A seat is taken on a worker's behalf by whoever calls it.
    seated: u32,
    seats: u32,
    /// The last attempt to start a thread failed: whoever is there does everything.
    short_of_threads: bool,
}

impl<C, S, J> Schedule<C, S, J> {
    /// At most `seats` workers do jobs at the same time.
    pub(super) fn new(seats: u32) -> Self {
        Self {
            chores: VecDeque::new(),
            sequences: VecDeque::new(),
            jobs: VecDeque::new(),
            asleep: Vec::new(),
            threads: 0,
            seated: 0,
            seats,
            short_of_threads: false,
        }
    }

    pub(super) fn add_job(&mut self, job: J) -> Wake {
        self.jobs.push_back(job);
        if self.seated >= self.seats {
            return Wake::Nobody;
        }
        self.seated += 1;
        self.call(true)
    }

    pub(super) fn add_sequence(&mut self, sequence: S) -> Wake {
        self.sequences.push_back(sequence);
        self.call(false)
    }

    pub(super) fn add_chore(&mut self, chore: C) -> Wake {
        self.chores.push_back(chore);
        self.call(false)
    }

    fn call(&mut self, to_jobs: bool) -> Wake {
        if let Some(bed) = self.asleep.pop() {
            bed.call.store(if to_jobs { CALLED_TO_JOBS } else { CALLED }, Relaxed);
            return Wake::Sleeper(bed);
        }
        self.threads += 1;
        Wake::NewThread { seated: to_jobs }
    }

    /// Everybody gets up, to look whether to go.
    pub(super) fn call_all(&mut self) -> Vec<Arc<Bed>> {
        for bed in &self.asleep {
            bed.call.store(CALLED, Relaxed);
        }
        mem::take(&mut self.asleep)
    }

    pub(super) fn thread_started(&mut self) {
        self.short_of_threads = false;
    }

    /// A thread that was counted could not be started. `false` when there is none at all, so that nobody will do what was
    /// put in.
    pub(super) fn thread_failed(&mut self, seated: bool) -> bool {
        self.threads -= 1;
        self.seated -= u32::from(seated);
        self.short_of_threads = true;
        self.threads > 0
    }

    /// What a worker is to do next; `seated` is its own mark.
    pub(super) fn take(&mut self, seated: &mut bool, has_connection: bool) -> Option<Item<C, S, J>> {
        if has_connection
            && !self.short_of_threads
            && let Some(job) = self.take_job(seated)
        {
            return Some(Item::Job(job));
        }
        if !self.chores.is_empty() || !self.sequences.is_empty() {
            self.stand_up(seated);
        }
        if let Some(chore) = self.chores.pop_front() {
            return Some(Item::Chore(chore));
        }
        if let Some(sequence) = self.sequences.pop_front() {
            return Some(Item::Sequence(sequence));
        }
        let job = self.take_job(seated);
        if job.is_none() {
            self.stand_up(seated);
        }
        job.map(Item::Job)
    }

    /// How many of the jobs that wait come to each worker.
    pub(super) fn share(&self) -> usize {
        self.jobs.len().div_ceil(self.seats.max(1) as usize)
    }

    /// The next job, for a worker that has or finds a seat.
    fn take_job(&mut self, seated: &mut bool) -> Option<J> {
        if !*seated && (self.seated >= self.seats || self.jobs.is_empty()) {
            return None;
        }
        let job = self.jobs.pop_front()?;
        self.seated += u32::from(!*seated);
        *seated = true;
        Some(job)
    }

    fn stand_up(&mut self, seated: &mut bool) {
        self.seated -= u32::from(mem::take(seated));
    }

    pub(super) fn lie_down(&mut self, bed: &Arc<Bed>) {
        self.asleep.push(bed.clone());
    }

    /// A worker got up. `true` when it was called; then whether it was given a seat is put into `seated`. `false` when it
    /// slept in, so that it is nobody's any more.
    pub(super) fn get_up(&mut self, bed: &Arc<Bed>, seated: &mut bool) -> bool {
        match bed.call.swap(ASLEEP, Relaxed) {
            ASLEEP => {
                self.asleep.retain(|other| !Arc::ptr_eq(other, bed));
                false
            }
            call => {
                *seated = call == CALLED_TO_JOBS;
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

    pub(super) fn take_out_sequence(&mut self, is_it: impl Fn(&S) -> bool) -> Option<S> {
        let place = self.sequences.iter().position(is_it)?;
        self.sequences.remove(place)
    }

    #[cfg(test)]
    pub(super) fn figures(&self) -> (u32, u32, usize) {
        (self.threads, self.seated, self.asleep.len())
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
        assert!(matches!(plan.add_job(3), Wake::Nobody));
        let (mut first, mut second, mut third) = (true, true, false);
        assert_eq!(job(plan.take(&mut first, false)), Some(1));
        assert_eq!(job(plan.take(&mut second, false)), Some(2));
        assert_eq!(job(plan.take(&mut third, false)), None, "no seat is left");
        assert_eq!(job(plan.take(&mut first, true)), Some(3), "a busy worker goes on by itself");
    }

    #[test]
    fn what_runs_on_a_connection_in_hand_is_done_when_all_seats_are_taken() {
        let mut plan = Plan::new(1);
        let _ = plan.add_job(1);
        let mut seated = true;
        assert_eq!(job(plan.take(&mut seated, false)), Some(1));
        let _ = plan.add_job(2);
        assert!(matches!(plan.add_sequence("in hand"), Wake::NewThread { seated: false }));
        assert!(matches!(plan.add_chore("cancel"), Wake::NewThread { seated: false }));
        let mut other = false;
        assert!(matches!(plan.take(&mut other, false), Some(Item::Chore("cancel"))));
        assert!(matches!(plan.take(&mut other, false), Some(Item::Sequence("in hand"))));
        assert!(plan.take(&mut other, false).is_none());
    }

    #[test]
    fn the_worker_that_lay_down_last_gets_up_first() {
        let mut plan = Plan::new(2);
        let beds = [Arc::new(Bed::default()), Arc::new(Bed::default())];
        for _ in &beds {
            let _ = plan.add_chore("chore");
        }
        for bed in &beds {
            assert!(plan.take(&mut false, false).is_some());
            plan.lie_down(bed);
        }
        assert!(matches!(plan.add_job(1), Wake::Sleeper(bed) if Arc::ptr_eq(&bed, &beds[1])));
        let mut seated = false;
        assert!(plan.get_up(&beds[1], &mut seated) && seated);
        assert!(!plan.get_up(&beds[0], &mut seated), "nobody called the other");
        plan.thread_ended();
        assert_eq!(plan.figures(), (1, 1, 0));
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
        let Wake::NewThread { seated } = plan.add_job(1) else { panic!("a first thread") };
        assert!(!plan.thread_failed(seated), "nobody is there");
        assert_eq!(plan.take_out(|job| *job == 1), Some(1));
        let _ = plan.add_job(2);
        let mut seated = true;
        assert_eq!(job(plan.take(&mut seated, false)), Some(2));
        let _ = plan.add_job(3);
        let _ = plan.add_chore("cancel");
        assert!(plan.thread_failed(true) && plan.thread_failed(false));
        assert!(matches!(plan.take(&mut seated, true), Some(Item::Chore("cancel"))));
        assert_eq!(job(plan.take(&mut seated, true)), Some(3));
        assert_eq!(plan.figures(), (1, 1, 0));
    }
}
