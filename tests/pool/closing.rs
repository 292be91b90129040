//! Orderly close, and that nothing is left behind.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use holdfast::{CloseReason, ErrorKind, Pool};

use crate::support::own_process::alone;
use crate::support::own_server;
use crate::{Observer, config, ms, pool, server, soon};

#[test]
fn a_closed_pool_refuses_at_once_and_its_idle_connections_are_gone() {
    let pool = pool(server(), "closer");
    let conns: Vec<_> = (0..3).map(|_| pool.get().unwrap()).collect();
    drop(conns);
    let report = pool.close();
    assert_eq!((report.idle_closed, report.cut, report.cancelled), (3, 0, 0));
    assert!(pool.is_closed());
    let start = Instant::now();
    assert_eq!(pool.get().unwrap_err().kind(), ErrorKind::PoolClosed);
    assert_eq!(pool.try_get().unwrap_err().kind(), ErrorKind::PoolClosed);
    assert!(start.elapsed() < ms(50));
    let mut observer = Observer::of(server());
    soon("the server has seen them go", || observer.backends("closer").is_empty());
    assert_eq!(pool.close().idle_closed, 0, "closing twice is harmless");
}

#[test]
fn waiters_are_woken_by_close() {
    let pool = Pool::new(config(server(), "woken").max_size(1)).unwrap();
    let held = pool.get().unwrap();
    thread::scope(|scope| {
        let waiters: Vec<_> = (0..4).map(|_| scope.spawn(|| pool.get().unwrap_err().kind())).collect();
        soon("all queue", || pool.stats().waiting == 4);
        let start = Instant::now();
        pool.close_timeout(Duration::ZERO);
        for waiter in waiters {
            assert_eq!(waiter.join().unwrap(), ErrorKind::PoolClosed);
        }
        assert!(start.elapsed() < ms(1000));
    });
    drop(held);
}

#[test]
fn close_does_not_wait_for_connections_that_are_still_being_opened() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    for sslmode in ["disable", "require"] {
        let pool = Pool::from_url(&format!("postgresql://app@127.0.0.1:{port}/x?sslmode={sslmode}")).unwrap();
        thread::scope(|scope| {
            let opener = scope.spawn(|| pool.get().unwrap_err().kind());
            soon("it opens", || pool.stats().opening == 1);
            thread::sleep(ms(50));
            let start = Instant::now();
            let report = pool.close_timeout(ms(3000));
            assert_eq!(opener.join().unwrap(), ErrorKind::PoolClosed);
            assert!(start.elapsed() < ms(500), "sslmode={sslmode} took {:?}", start.elapsed());
            assert_eq!(report.cut, 0);
        });
    }
}

#[test]
fn close_waits_for_a_lease_that_comes_back() {
    let pool = pool(server(), "awaited");
    let mut conn = pool.get().unwrap();
    let worker = thread::spawn(move || {
        conn.batch_execute("select pg_sleep(0.3)").unwrap();
    });
    let start = Instant::now();
    let report = pool.close_timeout(Duration::from_secs(5));
    assert!((ms(200)..ms(2000)).contains(&start.elapsed()), "took {:?}", start.elapsed());
    assert_eq!((report.returned, report.cancelled, report.cut), (1, 0, 0));
    worker.join().unwrap();
}

#[test]
fn close_cancels_a_statement_that_would_take_too_long() {
    let pool = pool(server(), "cancelled_by_close");
    let mut conn = pool.get().unwrap();
    let worker = thread::spawn(move || conn.batch_execute("select pg_sleep(60)").unwrap_err());
    thread::sleep(ms(100));
    let report = pool.close_timeout(ms(4000));
    assert_eq!((report.cancelled, report.cut), (1, 0), "{report:?}");
    let error = worker.join().unwrap();
    assert_eq!(error.kind(), ErrorKind::Canceled);
}

#[test]
fn close_cuts_what_does_not_come_back_and_says_so() {
    let server = holdfast_testkit::embedded::EmbeddedPostgres::builder().start().unwrap();
    let pool = pool(&server, "cut");
    let mut conn = pool.get().unwrap();
    let pid = conn.backend_pid().unwrap() as i32;
    let worker = thread::spawn(move || {
        let error = conn.batch_execute("select pg_sleep(60)").unwrap_err();
        (error, Instant::now())
    });
    thread::sleep(ms(100));
    server.freeze_backend(pid).unwrap();
    let start = Instant::now();
    let report = pool.close_timeout(ms(400));
    let closed = Instant::now();
    assert!((ms(400)..ms(700)).contains(&start.elapsed()), "took {:?}", start.elapsed());
    assert_eq!(report.cut, 1, "{report:?}");
    let (error, ended) = worker.join().unwrap();
    assert_eq!(error.kind(), ErrorKind::ConnectionLost);
    assert!(error.to_string().contains("pool was closed"), "{error}");
    assert!(ended < closed + ms(300), "the blocked call returns when it is cut");
    server.thaw_backend(pid).unwrap();
}

#[test]
fn a_lease_outlives_its_pool_and_is_closed_when_it_ends() {
    let pool = pool(server(), "orphan");
    let mut conn = pool.get().unwrap();
    drop(pool);
    conn.batch_execute("select 1").expect("a lease is good to its end");
    drop(conn);
    let mut observer = Observer::of(server());
    soon("nothing is left on the server", || observer.backends("orphan").is_empty());
}

/// Counts what the process holds; run in a process of its own, where nothing else moves.
fn held() -> (usize, usize) {
    let count = |what: &str| fs::read_dir(format!("/proc/self/{what}")).unwrap().count();
    (count("fd"), count("task"))
}

#[test]
fn nothing_is_left_after_the_last_handle_is_dropped() {
    if let Some(url) = alone("closing::nothing_is_left_after_the_last_handle_is_dropped") {
        leak_nothing(&url);
    }
}

fn leak_nothing(url: &str) {
    let before = held();
    for round in 0..5 {
        let pool = Pool::from_url(url).unwrap();
        let other_handle = pool.clone();
        let mut conns: Vec<_> = (0..4).map(|_| pool.get().unwrap()).collect();
        conns[0].batch_execute("begin").unwrap();
        conns[1].batch_execute("select 1/0").unwrap_err();
        conns.remove(2).discard();
        conns[1].set_deadline(Some(ms(20)));
        conns[1].batch_execute("select pg_sleep(1)").unwrap_err();
        drop(conns);
        if round % 2 == 0 {
            pool.close();
        }
        drop(pool);
        drop(other_handle);
        soon("descriptors and threads are back where they were", || held() == before);
    }
}

#[test]
fn a_connection_that_close_cuts_during_its_validation_is_closed_with_the_pool() {
    let server = own_server(|s| s);
    let config = config(&server, "validated").max_size(1).validate_after_idle(ms(1));
    let pool = Pool::new(config.validation_timeout(Duration::from_secs(5))).unwrap();
    drop(pool.get().unwrap());
    thread::sleep(ms(20));
    server.freeze().unwrap();
    thread::scope(|scope| {
        let caller = scope.spawn(|| pool.get().unwrap_err().kind());
        soon("it is being validated", || pool.stats().in_use == 1);
        pool.close_timeout(Duration::ZERO);
        assert_eq!(caller.join().unwrap(), ErrorKind::PoolClosed);
    });
    server.thaw().unwrap();
    let stats = pool.stats();
    assert_eq!(stats.closes_by(CloseReason::PoolClosed), 1, "{stats:?}");
    assert_eq!(stats.closes_by(CloseReason::ValidationFailed), 0, "{stats:?}");
}
