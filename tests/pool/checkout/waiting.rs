//! The queue: order, ageing, and that freed capacity wakes a waiter.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use holdfast::{ErrorKind, Phase, Pool};

use crate::{Observer, config, ms, server, soon};

/// Nothing checks out of it but its test: looks at who shares the server would.
fn narrow(name: &str, max_size: u32) -> Pool {
    Pool::new(config(server(), name).max_size(max_size)).unwrap()
}

#[test]
fn waiter_is_woken_when_a_broken_connection_comes_back() {
    let pool = narrow("broken", 1);
    let mut lease = pool.get().unwrap();
    let pid: i32 = lease.query_one("select pg_backend_pid()", &[]).unwrap().get(0);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let mut conn = pool.get().unwrap();
            let served = Instant::now();
            conn.query_one("select 1", &[]).expect("a connection that works");
            served
        });
        soon("the waiter queues", || pool.stats().waiting == 1);
        Observer::of(server()).terminate(pid);
        let returned = Instant::now();
        drop(lease);
        let served = waiter.join().unwrap();
        assert!(served - returned < ms(500), "waited {:?}", served - returned);
    });
}

#[test]
fn waiter_is_woken_when_an_opening_fails() {
    let server = holdfast_testkit::embedded::EmbeddedPostgres::builder().start().unwrap();
    let pool = Pool::new(config(&server, "failing").max_size(1).retry_max(0)).unwrap();
    server.freeze().unwrap();
    thread::scope(|scope| {
        let first = scope.spawn(|| pool.get_timeout(ms(400)).unwrap_err());
        soon("the first opens", || pool.stats().opening == 1);
        let second = scope.spawn(|| pool.get_timeout(ms(8000)));
        soon("the second queues", || pool.stats().waiting == 1);
        let error = first.join().unwrap();
        assert_eq!(error.kind(), ErrorKind::ConnectTimeout);
        server.thaw().unwrap();
        second.join().unwrap().expect("the capacity that the first gave back");
    });
}

#[test]
fn a_full_pool_times_out_with_what_is_needed_to_understand_it() {
    let pool = narrow("busy", 2);
    let _held = [pool.get().unwrap(), pool.get().unwrap()];
    let start = Instant::now();
    let error = pool.get_timeout(ms(200)).unwrap_err();
    assert!((ms(200)..ms(400)).contains(&start.elapsed()), "took {:?}", start.elapsed());
    assert_eq!((error.kind(), error.phase()), (ErrorKind::PoolTimeout, Some(Phase::Queue)));
    let snapshot = error.snapshot().unwrap();
    assert_eq!((snapshot.in_use, snapshot.idle, snapshot.total, snapshot.max_size), (2, 0, 2, 2));
    assert!(error.to_string().contains("pool: 2 of 2 connections (2 in use"), "{error}");
    assert!(error.elapsed().unwrap() >= ms(200));
    assert_eq!(pool.stats().timeouts, 1);
}

#[test]
fn connection_timeout_bounds_the_wait_of_a_plain_get() {
    let pool = Pool::new(config(server(), "bounded").max_size(1).connection_timeout(ms(300))).unwrap();
    let _held = pool.get().unwrap();
    let start = Instant::now();
    assert_eq!(pool.get().unwrap_err().kind(), ErrorKind::PoolTimeout);
    assert!(start.elapsed() < ms(600), "queueing is not retried: {:?}", start.elapsed());
}

#[test]
fn a_waiter_that_gave_up_takes_nothing_with_it() {
    let pool = narrow("quitter", 1);
    for round in 0..50 {
        let held = pool.get().unwrap();
        thread::scope(|scope| {
            // Gives up at about the moment the connection comes back.
            let quitter = scope.spawn(|| drop(pool.get_timeout(ms(3))));
            thread::sleep(Duration::from_micros(2900 + round * 5));
            drop(held);
            quitter.join().unwrap();
        });
        // After a timeout the pool itself may have a question for the server.
        soon(&format!("round {round}: all is idle"), || {
            let stats = pool.stats();
            (stats.in_use, stats.waiting, stats.total) == (0, 0, 1)
        });
    }
}

#[test]
fn aged_waiters_are_served_in_the_order_they_came() {
    let pool = narrow("orderly", 1);
    let order = Mutex::new(Vec::new());
    let held = pool.get().unwrap();
    thread::scope(|scope| {
        for place in 0..10 {
            let (pool, order) = (&pool, &order);
            scope.spawn(move || {
                let conn = pool.get().unwrap();
                order.lock().unwrap().push(place);
                thread::sleep(ms(1));
                drop(conn);
            });
            soon("it queues", || pool.stats().waiting == place + 1);
        }
        thread::sleep(ms(6));
        drop(held);
    });
    assert_eq!(*order.lock().unwrap(), (0..10).collect::<Vec<_>>());
}

#[test]
fn no_newcomer_overtakes_one_who_has_waited_five_milliseconds() {
    let pool = narrow("newcomer", 1);
    for _ in 0..20 {
        let held = pool.get().unwrap();
        let served = AtomicU64::new(0);
        thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                let conn = pool.get().unwrap();
                served.store(1, Ordering::SeqCst);
                drop(conn);
            });
            soon("it queues", || pool.stats().waiting == 1);
            thread::sleep(ms(6));
            drop(held);
            // This thread runs on and asks at once; the one that waits has yet to wake up.
            let newcomer = pool.get().unwrap();
            assert_eq!(served.load(Ordering::SeqCst), 1, "a newcomer was served first");
            drop(newcomer);
            waiter.join().unwrap();
        });
    }
}

#[test]
fn sixty_four_threads_on_eight_connections_all_get_their_turns() {
    const THREADS: usize = 64;
    let pool = narrow("crowd", 8);
    let turns: Vec<AtomicU64> = (0..THREADS).map(|_| AtomicU64::new(0)).collect();
    let longest = AtomicU64::new(0);
    let end = Instant::now() + Duration::from_secs(3);
    thread::scope(|scope| {
        for turn in &turns {
            let (pool, longest) = (&pool, &longest);
            scope.spawn(move || {
                while Instant::now() < end {
                    let asked = Instant::now();
                    let conn = pool.get().expect("nobody starves");
                    longest.fetch_max(asked.elapsed().as_millis() as u64, Ordering::Relaxed);
                    thread::sleep(ms(2));
                    drop(conn);
                    turn.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let counts: Vec<_> = turns.iter().map(|t| t.load(Ordering::Relaxed)).collect();
    let (fewest, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
    // A strict queue gives 16 ms and equal turns; the benchmark measures how near this comes, the test only that no
    // thread is left behind on a loaded machine.
    assert!(*fewest * 2 > *most, "turns from {fewest} to {most}");
    assert!(longest.load(Ordering::Relaxed) < 2000, "one waited {longest:?} ms");
    assert!(pool.stats().opens <= 8);
    assert_eq!(pool.stats().in_use, 0);
}

#[test]
fn try_get_takes_what_is_idle_and_waits_for_nobody() {
    let pool = narrow("trier", 1);
    assert!(pool.try_get().unwrap().is_none(), "nothing is open yet");
    drop(pool.get().unwrap());
    let held = pool.try_get().unwrap().expect("one is idle");
    let start = Instant::now();
    assert!(pool.try_get().unwrap().is_none());
    assert!(start.elapsed() < ms(100));
    drop(held);
}

#[test]
fn the_connection_used_last_is_checked_out_first() {
    let pool = narrow("stack", 3);
    let (a, b) = (pool.get().unwrap(), pool.get().unwrap());
    let last = b.backend_pid();
    drop(a);
    drop(b);
    assert_eq!(pool.get().unwrap().backend_pid(), last);
}

#[test]
fn callers_without_time_do_not_use_up_healthy_connections() {
    let pool = Pool::new(config(server(), "hasty").max_size(3).validate_after_idle(ms(0))).unwrap();
    let held: Vec<_> = (0..3).map(|_| pool.get().unwrap()).collect();
    drop(held);
    for _ in 0..20 {
        thread::sleep(ms(5));
        let _ = pool.get_timeout(Duration::ZERO);
    }
    soon("the connections are back", || pool.stats().in_use == 0);
    let stats = pool.stats();
    assert_eq!((stats.opens, stats.total, stats.idle), (3, 3, 3));
    pool.get_timeout(ms(200)).expect("an idle connection, proven in time");
}

#[test]
fn a_caller_with_little_time_waits_for_the_validation_of_an_idle_connection_and_opens_no_other() {
    let pool = Pool::new(config(server(), "validation").max_size(3).validate_after_idle(ms(0))).unwrap();
    drop(pool.get().unwrap());
    for _ in 0..10 {
        thread::sleep(ms(5)); // long enough ago to be validated
        pool.get_timeout(ms(400)).expect("the idle connection");
    }
    assert_eq!(pool.stats().opens, 1);
}

#[test]
fn a_caller_with_little_time_opens_another_when_validation_takes_long() {
    let pool = Pool::new(config(server(), "no-validation").max_size(3).validate_after_idle(ms(0))).unwrap();
    let frozen = pool.get().unwrap();
    let pid = rustix::process::Pid::from_raw(frozen.backend_pid().unwrap() as i32).unwrap();
    drop(frozen);
    thread::sleep(ms(5));
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    let other = pool.get_timeout(ms(800));
    rustix::process::kill_process(pid, rustix::process::Signal::CONT).unwrap();
    other.expect("another connection");
    assert_eq!(pool.stats().opens, 2);
}

#[test]
fn callers_in_a_hurry_warm_a_cold_pool_up() {
    let pool = narrow("hurried", 2);
    // No single one of them has time to open a connection.
    soon("one of them gets a connection", || pool.get_timeout(ms(1)).is_ok());
    assert!(pool.stats().opens <= 2, "{:?}", pool.stats());
}

#[test]
fn a_caller_in_a_hurry_is_told_why_nothing_could_be_opened() {
    let port = holdfast_testkit::embedded::free_port().unwrap();
    let pool = Pool::from_url(&format!("postgresql://app@127.0.0.1:{port}/x")).unwrap();
    let start = Instant::now();
    let error = pool.get_timeout(ms(60)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    assert!(start.elapsed() < ms(200));
}
