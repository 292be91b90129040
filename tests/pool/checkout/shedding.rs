//! Load shedding: callers that are rejected at once.

use std::thread;
use std::time::{Duration, Instant};

use holdfast::{ErrorKind, Phase, Pool};

use crate::{config, ms, server, soon};

#[test]
fn one_caller_more_than_may_wait_is_told_at_once_and_costs_the_others_nothing() {
    let pool = Pool::new(config(server(), "bounded-queue").max_size(1).max_waiting(2)).unwrap();
    let held = pool.get().unwrap();
    thread::scope(|scope| {
        let waiters: Vec<_> = (0..2).map(|_| scope.spawn(|| pool.get().map(drop))).collect();
        soon("both wait", || pool.stats().waiting == 2);
        let start = Instant::now();
        let error = pool.get().unwrap_err();
        assert!(start.elapsed() < ms(1000), "it waited for {:?}", start.elapsed());
        assert_eq!((error.kind(), error.phase()), (ErrorKind::Overloaded, Some(Phase::Queue)));
        assert!(error.is_retryable() && error.to_string().contains("2 of 2"), "{error}");
        assert_eq!(error.snapshot().unwrap().waiting, 2);
        drop(held);
        for waiter in waiters {
            waiter.join().unwrap().expect("its turn");
        }
    });
    let stats = pool.stats();
    assert_eq!((stats.shed, stats.timeouts, stats.errors_of(ErrorKind::Overloaded)), (1, 0, 1));
    pool.get().expect("the queue is empty again");
}

#[test]
fn who_waits_for_a_retry_keeps_its_place_however_long_the_queue_is() {
    let port = holdfast_testkit::embedded::free_port().unwrap();
    let url = format!("postgresql://app@127.0.0.1:{port}/x?max_size=1&max_waiting=1&retry_base_delay=50ms");
    let pool = Pool::from_url(&url).unwrap();
    thread::scope(|scope| {
        let callers: Vec<_> = (0..2).map(|_| scope.spawn(|| pool.get().unwrap_err())).collect();
        for caller in callers {
            let error = caller.join().unwrap();
            assert_eq!((error.kind(), error.attempts().len()), (ErrorKind::Refused, 3), "{error}");
        }
    });
    assert_eq!(pool.stats().shed, 0);
}

/// A queue of `waiters` for one connection that each keeps for 20 ms.
fn in_a_slow_queue(name: &str, waiters: usize, work: impl FnOnce(&Pool)) {
    let pool =
        Pool::new(config(server(), name).max_size(1).connection_timeout(Duration::from_secs(60))).unwrap();
    let held = pool.get().unwrap();
    thread::scope(|scope| {
        for _ in 0..waiters {
            scope.spawn(|| {
                let conn = pool.get().expect("its turn");
                thread::sleep(ms(20));
                drop(conn);
            });
        }
        soon("all wait", || pool.stats().waiting as usize == waiters);
        drop(held);
        work(&pool);
    });
}

#[test]
fn a_caller_whose_turn_would_come_long_after_its_deadline_is_told_early() {
    in_a_slow_queue("early", 120, |pool| {
        soon("the queue has shown its pace", || pool.stats().waiting < 105);
        let (start, limit) = (Instant::now(), ms(500));
        let error = pool.get_timeout(limit).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Overloaded, "{error}");
        assert!(start.elapsed() < limit, "it was told after {:?}", start.elapsed());
        assert_eq!((pool.stats().shed, pool.stats().timeouts), (1, 0));
        pool.get().expect("who has time gets its turn");
    });
}

#[test]
fn a_queue_that_has_not_moved_yet_sends_nobody_away() {
    let pool = Pool::new(config(server(), "unknown-pace").max_size(1)).unwrap();
    let held = pool.get().unwrap();
    thread::scope(|scope| {
        for _ in 0..30 {
            scope.spawn(|| drop(pool.get()));
        }
        soon("all wait", || pool.stats().waiting == 30);
        assert_eq!(pool.get_timeout(ms(30)).unwrap_err().kind(), ErrorKind::PoolTimeout);
        drop(held);
    });
    assert_eq!(pool.stats().shed, 0);
}
