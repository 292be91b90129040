//! Tests of the queue alone, with numbers for connections.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use super::*;
use crate::pool::telemetry::stats::CloseReason;
use crate::resilience::learned_limit::TryIntervals;

impl Pooled for u32 {
    fn was_just_used_here(&self) -> bool {
        *self >= USED_HERE
    }

    fn idle_since(&self) -> Tick {
        Tick::from_word(u64::from(*self))
    }

    fn counts_as(&mut self, _: Account) {}

    fn account(&self) -> Account {
        Account::InUse
    }
}

/// From this number on a connection counts as just used by the thread that asks.
const USED_HERE: u32 = 100;

const PACE: TryIntervals = TryIntervals { first: ms(20), longest: ms(1000) };

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(super) fn within(limit: Duration) -> Request {
    let now = Instant::now();
    Request { since: now, deadline: now + limit, opens_from: None, backs_off: false, is_new: true }
}

/// Makes a queue with all connections checked out.
pub(super) fn all_checked_out(size: u32) -> Admission<u32> {
    let admission = Admission::new(size, EffectiveLimit::new(size, PACE, None));
    for _ in 0..size {
        assert!(matches!(admission.wait(within(ms(0))), Ok(Grant::Capacity)));
        assert!(admission.opened(&mut 0));
    }
    admission
}

fn wait_for_waiters(admission: &Admission<u32>, count: u32) {
    while admission.snapshot().0.waiting < count {
        thread::sleep(ms(1));
    }
}

#[test]
fn two_connections_that_come_back_while_the_first_waiter_wakes_serve_two_waiters() {
    let admission = all_checked_out(2);
    thread::scope(|scope| {
        let wait = || scope.spawn(|| matches!(admission.wait(within(ms(2000))), Ok(Grant::Connection(_))));
        let waiters = [wait(), wait()];
        wait_for_waiters(&admission, 2);
        let start = Instant::now();
        let mut state = admission.state.lock();
        for connection in 0..2 {
            state.in_use -= 1;
            state.idle.push(connection);
            if let Some(waiter) = state.next_to_nudge() {
                waiter.wake();
            }
            // The first one is awake now and stands before the lock.
            thread::sleep(ms(20));
        }
        drop(state);
        for waiter in waiters {
            assert!(waiter.join().expect("no panic"), "a waiter slept beside an idle connection");
        }
        assert!(
            start.elapsed() < ms(1000),
            "a waiter slept beside an idle connection: {:?}",
            start.elapsed()
        );
    });
}

#[test]
fn a_waiter_that_found_nothing_takes_the_next_connection_though_nobody_wakes_it() {
    let admission = all_checked_out(1);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| matches!(admission.wait(within(ms(20_000))), Ok(Grant::Connection(_))));
        wait_for_waiters(&admission, 1);
        let mut state = admission.state.lock();
        state.in_use -= 1;
        state.idle.push(0);
        state.next_to_nudge().expect("the waiter sleeps").wake();
        // A newcomer is faster.
        let taken = state.take_idle().expect("it is idle");
        let taken = state.check_out(taken);
        drop(state);
        thread::sleep(ms(20));
        let Grant::Connection(taken) = taken else { panic!("a connection was taken") };
        let mut state = admission.state.lock();
        state.in_use -= 1;
        state.idle.push(taken);
        assert!(state.next_to_nudge().is_none(), "it is on its way");
        drop(state);
        assert!(waiter.join().expect("no panic"), "it slept beside an idle connection");
    });
}

/// Applies random operations of threads to a queue, for as long as the test lasts.
fn disturb(admission: &Admission<u32>, live: &AtomicU32, stop: &AtomicBool, size: u32, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    while !stop.load(Ordering::Relaxed) {
        let now = Instant::now();
        let opens_from = (random.u8(..) < 40).then(|| now + Duration::from_micros(random.u64(..3000)));
        let deadline = now + Duration::from_micros(random.u64(..8000));
        let grant = match random.u8(..4) {
            0 => admission.try_idle(),
            _ => admission
                .wait(Request {
                    since: now,
                    deadline,
                    opens_from,
                    backs_off: opens_from.is_some(),
                    is_new: random.bool(),
                })
                .ok(),
        };
        match grant {
            None => continue,
            Some(Grant::Closed | Grant::Refused) => return,
            Some(Grant::Capacity) => {
                if random.u8(..4) == 0 {
                    admission.opening_failed();
                    continue;
                }
                assert!(live.fetch_add(1, Ordering::SeqCst) < size, "more connections than the limit");
                assert!(admission.opened(&mut 0));
            }
            Some(Grant::Connection(_)) => {}
        }
        if random.u8(..3) == 0 {
            thread::sleep(Duration::from_micros(random.u64(..2000)));
        }
        if random.u8(..8) == 0 {
            admission.retire_in_use(&mut 0, |_| {});
            live.fetch_sub(1, Ordering::SeqCst);
            admission.departed();
        } else if random.u8(..8) == 0 {
            assert!(admission.park(1).is_none());
            for _ in admission.take_idle(|_| random.bool(), |_| {}) {
                live.fetch_sub(1, Ordering::SeqCst);
                admission.departed();
            }
        } else {
            assert!(admission.park(1).is_none());
        }
    }
}

/// Checks that no waiter waits for long while a connection is free.
fn assert_nobody_is_stranded(admission: &Admission<u32>, seed: u64) {
    const LONG: Duration = Duration::from_millis(500);
    let start = Instant::now();
    loop {
        let (gauges, _) = admission.snapshot();
        assert!(gauges.total <= gauges.limit, "seed {seed}: {gauges:?}");
        let stranded = gauges.waiting > 0 && (gauges.idle > 0 || gauges.total < gauges.limit);
        if !stranded {
            return;
        }
        assert!(start.elapsed() < LONG, "seed {seed}: waiters beside what they wait for: {gauges:?}");
        thread::sleep(ms(1));
    }
}

#[test]
fn whatever_threads_do_nobody_is_stranded_and_the_counts_return_to_rest() {
    const SIZE: u32 = 3;
    for _ in 0..5 {
        let seed = fastrand::u64(..);
        let admission = Admission::<u32>::new(SIZE, EffectiveLimit::new(SIZE, PACE, None));
        let (live, stop) = (AtomicU32::new(0), AtomicBool::new(false));
        thread::scope(|scope| {
            for index in 0..12 {
                let (admission, live, stop) = (&admission, &live, &stop);
                scope.spawn(move || disturb(admission, live, stop, SIZE, seed.wrapping_add(index)));
            }
            let end = Instant::now() + ms(150);
            while Instant::now() < end {
                assert_nobody_is_stranded(&admission, seed);
                thread::sleep(ms(1));
            }
            stop.store(true, Ordering::Relaxed);
        });
        let (gauges, _) = admission.snapshot();
        assert_eq!((gauges.in_use, gauges.opening, gauges.waiting), (0, 0, 0), "seed {seed}");
        assert_eq!(gauges.total, live.load(Ordering::SeqCst), "seed {seed}");
        assert!(admission.close());
        assert!(admission.wait_drained(Instant::now()));
        assert!(matches!(admission.wait(within(ms(0))), Ok(Grant::Closed)));
    }
}

#[test]
fn a_waiter_that_backs_off_gets_what_comes_free_and_opens_when_its_time_has_come() {
    let admission = Admission::<u32>::new(1, EffectiveLimit::new(1, PACE, None));
    let now = Instant::now();
    let request = Request {
        since: now,
        deadline: now + ms(2000),
        opens_from: Some(now + ms(40)),
        backs_off: true,
        is_new: true,
    };
    assert!(matches!(admission.wait(request), Ok(Grant::Capacity)));
    assert!(now.elapsed() >= ms(40), "it opened after {:?}", now.elapsed());
}

#[test]
fn closing_wakes_all_who_wait() {
    let admission = all_checked_out(1);
    thread::scope(|scope| {
        let waiters: Vec<_> = (0..5).map(|_| scope.spawn(|| admission.wait(within(ms(5000))))).collect();
        wait_for_waiters(&admission, 5);
        admission.close();
        for waiter in waiters {
            assert!(matches!(waiter.join().expect("no panic"), Ok(Grant::Closed)));
        }
    });
    assert!(
        matches!(admission.park(0), Some((0, CloseReason::PoolClosed))),
        "a closed pool gives it back to be closed"
    );
    admission.retire_in_use(&mut 0, |_| {});
    admission.departed();
    assert!(admission.wait_drained(Instant::now()));
}

/// Takes everything from the idle stack, from its top.
fn take_all(admission: &Admission<u32>) -> Vec<u32> {
    std::iter::from_fn(|| match admission.try_idle() {
        Some(Grant::Connection(connection)) => Some(connection),
        _ => None,
    })
    .collect()
}

#[test]
fn one_that_was_validated_goes_back_to_its_place_and_counts_as_no_checkout() {
    let admission = all_checked_out(3);
    for connection in [1, 2, 3] {
        assert!(admission.park(connection).is_none());
    }
    let taken = admission.take_for_validation(|_| true).expect("nobody waits");
    assert_eq!(taken, 1, "the longest idle");
    let (gauges, counters) = admission.snapshot();
    assert_eq!((gauges.idle, gauges.in_use, counters.gets), (2, 1, 0));
    assert!(admission.back_from_validation(taken).is_none());
    assert_eq!(take_all(&admission), [3, 2, 1]);
}

#[test]
fn a_validated_connection_serves_a_waiter_and_none_is_validated_while_callers_wait() {
    let admission = all_checked_out(2);
    assert!(admission.park(1).is_none());
    let taken = admission.take_for_validation(|_| true).expect("nobody waits");
    thread::scope(|scope| {
        let waiter = scope.spawn(|| matches!(admission.wait(within(ms(5000))), Ok(Grant::Connection(1))));
        wait_for_waiters(&admission, 1);
        assert!(admission.take_for_validation(|_| true).is_none());
        assert!(admission.back_from_validation(taken).is_none());
        assert!(waiter.join().expect("no panic"));
    });
}

#[test]
fn a_thread_gets_again_what_it_just_gave_back_and_otherwise_what_was_used_last() {
    let admission = all_checked_out(4);
    for connection in [1, USED_HERE + 2, 3, 4] {
        assert!(admission.park(connection).is_none());
    }
    assert_eq!(take_all(&admission), [USED_HERE + 2, 4, 3, 1]);
}
