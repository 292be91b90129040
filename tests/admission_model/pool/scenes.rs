//! The scenes: threads that use a queue, in every order in which they may run.

use std::sync::Arc;
use std::time::{Duration, Instant};

use shuttle::rand::{Rng, thread_rng};
use shuttle::sync::Barrier;
use shuttle::thread::{self, JoinHandle};

use super::admission::{Admission, Denied, Grant, Request};
use super::connection::server_connection::Parked;
use super::telemetry::stats::CloseReason;
use crate::resilience::effective_limit::EffectiveLimit;
use crate::resilience::learned_limit::TryIntervals;

type Queue = Arc<Admission<Parked>>;

const HOUR: Duration = Duration::from_secs(3600);

fn queue(size: u32) -> Queue {
    let pace = TryIntervals { first: HOUR, longest: HOUR };
    Arc::new(Admission::new(size, EffectiveLimit::new(size, pace, None)))
}

/// A waiter without a limit; perhaps one that has waited so long already that it may not be passed.
fn patient() -> Request {
    let now = Instant::now();
    let since =
        if thread_rng().gen_bool(0.5) { now.checked_sub(Duration::from_secs(1)).unwrap_or(now) } else { now };
    Request { since, deadline: now + HOUR, opens_from: None, backs_off: false, is_new: false }
}

/// A waiter whose time is up as soon as it has queued.
fn hasty() -> Request {
    Request { deadline: Instant::now(), ..patient() }
}

/// One who backs off for longer than the model lasts.
fn backing_off() -> Request {
    Request { opens_from: Some(Instant::now() + HOUR), backs_off: true, ..patient() }
}

/// Uses what was granted, and ends it in one of the ways in which checkouts and openings end.
fn use_up(queue: &Queue, grant: Grant<Parked>) {
    match grant {
        Grant::Connection(parked) => give_back(queue, parked),
        Grant::Capacity if thread_rng().gen_bool(0.3) => queue.opening_failed(),
        Grant::Capacity => {
            queue.opened(&mut Parked(0));
            give_back(queue, Parked(1));
        }
        Grant::Refused | Grant::Closed => {}
    }
}

fn give_back(queue: &Queue, parked: Parked) {
    if thread_rng().gen_bool(0.3) {
        queue.retire_in_use(&mut Parked(0), |_| {});
        queue.departed();
    } else if let Some((refused, reason)) = queue.park(parked) {
        assert!(
            queue.is_closed() || reason == CloseReason::Surplus,
            "{refused:?} came back from an open pool: {reason:?}"
        );
        queue.retire_in_use(&mut Parked(0), |_| {});
        queue.departed();
    }
}

fn check_out_often(queue: &Queue, times: u32, request: fn() -> Request) -> JoinHandle<()> {
    let queue = queue.clone();
    thread::spawn(move || {
        for _ in 0..times {
            match queue.wait(request()) {
                Ok(grant) => {
                    let live = queue.snapshot().0.total;
                    assert!(live <= 2, "{live} connections of 2");
                    use_up(&queue, grant);
                }
                Err(Denied::TimedOut) => {}
                Err(Denied::Shed(_)) => panic!("nobody is shed here"),
            }
        }
    })
}

fn at_rest(queue: &Queue) {
    let (figures, _) = queue.snapshot();
    assert_eq!((figures.in_use, figures.opening, figures.waiting), (0, 0, 0), "{figures:?}");
    assert_eq!(figures.total, figures.idle);
}

fn join_all(threads: Vec<JoinHandle<()>>) {
    threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
}

/// Nobody who waits is forgotten, whatever comes free and however.
pub(crate) fn everybody_who_waits_is_served() {
    let queue = queue(2);
    join_all((0..4).map(|_| check_out_often(&queue, 2, patient)).collect());
    at_rest(&queue);
}

/// A waiter that gives up takes nothing.
pub(crate) fn one_who_gives_up_loses_nothing() {
    let queue = queue(2);
    let requests: [fn() -> Request; 4] = [patient, hasty, patient, hasty];
    join_all(requests.into_iter().map(|request| check_out_often(&queue, 2, request)).collect());
    at_rest(&queue);
}

/// Few may open at once, and every caller gets its turn.
pub(crate) fn with_one_opening_at_a_time_every_caller_gets_a_turn() {
    let queue = queue(2);
    queue.allow_at_once(1);
    join_all((0..3).map(|_| check_out_often(&queue, 2, patient)).collect());
    at_rest(&queue);
}

/// A caller that has opened lets the next begin, before it returns its connection.
pub(crate) fn two_who_keep_what_they_opened_both_open() {
    let queue = queue(2);
    queue.allow_at_once(1);
    let both = Arc::new(Barrier::new(2));
    let keepers = (0..2).map(|_| {
        let (queue, both) = (queue.clone(), both.clone());
        thread::spawn(move || {
            let Ok(Grant::Capacity) = queue.wait(patient()) else {
                panic!("nothing comes back before both have one")
            };
            assert!(queue.opened(&mut Parked(0)));
            both.wait();
            give_back(&queue, Parked(1));
        })
    });
    join_all(keepers.collect());
    at_rest(&queue);
}

/// A caller that backs off is woken when the server is back, if nothing came free before.
pub(crate) fn the_servers_return_reaches_everybody_who_backs_off() {
    let queue = queue(2);
    let waiting: Vec<_> = (0..2).map(|_| check_out_often(&queue, 1, backing_off)).collect();
    let server = queue.clone();
    let back = thread::spawn(move || {
        while server.snapshot().0.waiting < 2 {
            thread::yield_now();
        }
        server.end_backoff();
    });
    join_all(waiting.into_iter().chain([back]).collect());
    at_rest(&queue);
}

/// A permanent failure leaves no caller waiting, and neither does its end.
pub(crate) fn a_refusal_for_good_leaves_nobody_waiting() {
    let queue = queue(2);
    let refused = queue.clone();
    let opener = thread::spawn(move || match refused.wait(patient()) {
        Ok(Grant::Capacity) => {
            refused.opening_failed_permanently();
            refused.permanent_failure_ended();
        }
        Ok(grant) => use_up(&refused, grant),
        Err(_) => panic!("it is patient"),
    });
    let mut threads: Vec<_> = (0..3).map(|_| check_out_often(&queue, 2, patient)).collect();
    threads.push(opener);
    join_all(threads);
    at_rest(&queue);
}

/// Another size leaves no caller waiting while there is room, and nothing idle beyond it.
pub(crate) fn sizes_that_change_leave_nobody_waiting() {
    let queue = queue(2);
    let mut threads: Vec<_> = (0..3).map(|_| check_out_often(&queue, 2, patient)).collect();
    let resized = queue.clone();
    threads.push(thread::spawn(move || {
        for size in [1, 2, 1] {
            let surplus = resized.resize(size).expect("it is open").surplus;
            for _ in surplus {
                resized.departed();
            }
            assert!(resized.snapshot().0.idle <= size);
        }
    }));
    join_all(threads);
    at_rest(&queue);
    assert!(queue.snapshot().0.total <= 1);
}

/// Closing reaches everybody, in the queue or out of it.
pub(crate) fn closing_wakes_everybody() {
    let queue = queue(2);
    let mut threads: Vec<_> = (0..3).map(|_| check_out_often(&queue, 2, patient)).collect();
    let closer = queue.clone();
    threads.push(thread::spawn(move || {
        closer.close();
    }));
    join_all(threads);
    assert!(queue.wait_drained(Instant::now()), "everything checked out has come back");
    let (figures, _) = queue.snapshot();
    assert_eq!((figures.in_use, figures.opening, figures.waiting), (0, 0, 0), "{figures:?}");
}
