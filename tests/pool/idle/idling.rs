//! Idle connections: closed on the dot, proven before use, kept when `min_idle` says so.

use std::thread;
use std::time::{Duration, Instant};

use holdfast::{CloseReason, Pool};
use holdfast_testkit::embedded::EmbeddedPostgres;

use crate::{Observer, config, ms, server, soon};

#[test]
fn an_idle_connection_is_closed_never_early_and_at_most_a_second_late() {
    let pool = Pool::new(config(server(), "sleeper").idle_timeout(ms(2000))).unwrap();
    let mut observer = Observer::of(server());
    pool.batch_execute("select 1").unwrap();
    thread::sleep(ms(700));
    // Used again: the first alarm must not close it.
    pool.batch_execute("select 1").unwrap();
    let last_use = Instant::now();
    let gone_after = loop {
        if observer.backends("sleeper").is_empty() {
            break last_use.elapsed();
        }
        thread::sleep(ms(5));
        assert!(last_use.elapsed() < Duration::from_secs(10), "it was never closed");
    };
    assert!((ms(1990)..ms(3000)).contains(&gone_after), "gone after {gone_after:?}");
    soon("its capacity is free", || pool.stats().total == 0);
    assert_eq!(pool.stats().closes_by(CloseReason::IdleTimeout), 1);
}

#[test]
fn each_idle_connection_has_its_own_time() {
    let pool = Pool::new(config(server(), "staggered").idle_timeout(ms(600)).max_size(2)).unwrap();
    let (a, b) = (pool.get().unwrap(), pool.get().unwrap());
    drop(a);
    thread::sleep(ms(300));
    drop(b);
    thread::sleep(ms(450));
    assert_eq!(pool.stats().idle, 1, "the first is due, the second is not");
    soon("the second follows", || pool.stats().total == 0);
}

#[test]
fn a_lifetime_ends_in_its_last_quarter_whether_idle_or_busy() {
    let pool = Pool::new(config(server(), "mortal").max_lifetime(ms(2000)).max_size(4)).unwrap();
    let start = Instant::now();
    let mut conns: Vec<_> = (0..4).map(|_| pool.get().unwrap()).collect();
    let all_open = Instant::now();
    drop(conns.pop());
    thread::sleep(ms(1400).saturating_sub(start.elapsed()));
    assert_eq!(pool.stats().total, 4, "none has reached three quarters of its life");
    soon("the idle one is closed", || pool.stats().total < 4);
    assert!(all_open.elapsed() < ms(3000), "a second late at most: {:?}", all_open.elapsed());
    assert_eq!(pool.stats().total, 3, "those that are out are left alone");
    thread::sleep(ms(2100).saturating_sub(all_open.elapsed()));
    drop(conns);
    soon("those that were out are closed on return", || pool.stats().total == 0);
    assert_eq!(pool.stats().closes_by(CloseReason::MaxLifetime), 4);
}

#[test]
fn a_restart_costs_the_next_callers_no_failed_query() {
    let server = EmbeddedPostgres::builder().start().unwrap();
    let pool = Pool::new(config(&server, "survivor").max_size(4)).unwrap();
    let conns: Vec<_> = (0..4).map(|_| pool.get().unwrap()).collect();
    drop(conns);
    server.restart().unwrap();
    for n in 0..8i32 {
        let row = pool.query_one("select $1::int4", &[&n]).expect("no query meets a dead connection");
        assert_eq!(row.get::<_, i32>(0), n);
    }
    assert!(pool.stats().closes_by(CloseReason::ValidationFailed) >= 1);
}

#[test]
fn one_dead_idle_connection_has_the_other_idle_ones_validated() {
    let server = EmbeddedPostgres::builder().start().unwrap();
    let pool =
        Pool::new(config(&server, "siblings").max_size(2).validate_after_idle(Duration::from_secs(3600)))
            .unwrap();
    let (mut frozen, doomed) = (pool.get().unwrap(), pool.get().unwrap());
    let frozen_pid: i32 = frozen.query_one("select pg_backend_pid()", &[]).unwrap().get(0);
    let doomed_pid = doomed.backend_pid().unwrap() as i32;
    drop(frozen);
    drop(doomed);
    thread::sleep(ms(30));
    // A frozen sibling looks alive to a mere look; only a round trip finds out.
    server.freeze_backend(frozen_pid).unwrap();
    Observer::of(&server).terminate(doomed_pid);
    let start = Instant::now();
    let pid: i32 = pool.query_one("select pg_backend_pid()", &[]).unwrap().get(0);
    assert!(pid != frozen_pid && pid != doomed_pid, "the frozen sibling was handed out unproven");
    assert!(start.elapsed() < ms(4000), "took {:?}", start.elapsed());
    server.thaw_backend(frozen_pid).unwrap();
}

#[test]
fn a_connection_that_was_idle_for_long_is_validated_within_a_bounded_time() {
    let server = EmbeddedPostgres::builder().start().unwrap();
    let pool =
        Pool::new(config(&server, "prover").validate_after_idle(ms(50)).validation_timeout(ms(300))).unwrap();
    let pid: i32 = pool.query_one("select pg_backend_pid()", &[]).unwrap().get(0);
    thread::sleep(ms(100));
    server.freeze_backend(pid).unwrap();
    let start = Instant::now();
    let other: i32 = pool.query_one("select pg_backend_pid()", &[]).unwrap().get(0);
    assert_ne!(pid, other);
    assert!((ms(300)..ms(1500)).contains(&start.elapsed()), "took {:?}", start.elapsed());
    server.thaw_backend(pid).unwrap();
}

#[test]
fn try_get_checks_out_what_was_validated() {
    let pool = Pool::new(config(server(), "tried").validate_after_idle(ms(50))).unwrap();
    let pid = pool.get().unwrap().backend_pid();
    thread::sleep(ms(100));
    let conn = pool.try_get().unwrap().expect("it is idle, and it answers");
    assert_eq!(conn.backend_pid(), pid);
}

#[test]
fn min_idle_is_filled_in_the_background_and_survives_idle_timeout() {
    let pool = Pool::new(config(server(), "ready").min_idle(2).max_size(4).idle_timeout(ms(300))).unwrap();
    soon("two are open", || pool.stats().idle == 2);
    let conns: Vec<_> = (0..4).map(|_| pool.get().unwrap()).collect();
    drop(conns);
    thread::sleep(ms(1000));
    assert_eq!(pool.stats().idle, 2);
    let conns: Vec<_> = (0..2).map(|_| pool.get().unwrap()).collect();
    conns.into_iter().for_each(holdfast::PooledConnection::discard);
    soon("they are replaced", || pool.stats().idle == 2);
}

#[test]
fn a_pool_without_traffic_dials_nobody() {
    let server = EmbeddedPostgres::builder().start().unwrap();
    let pool = Pool::new(config(&server, "quiet").idle_timeout(ms(200))).unwrap();
    pool.batch_execute("select 1").unwrap();
    soon("the pool is empty", || pool.stats().total == 0);
    let mut observer = Observer::of(&server);
    let sessions = |o: &mut Observer| -> i64 {
        o.0.query_one("select sessions from pg_stat_database where datname = 'postgres'", &[]).unwrap().get(0)
    };
    thread::sleep(ms(200));
    let before = sessions(&mut observer);
    thread::sleep(ms(1500));
    assert_eq!(sessions(&mut observer), before);
    assert_eq!(pool.stats().opens, 1);
}

#[test]
fn validating_a_dead_connection_leaves_time_to_open_another() {
    let server = EmbeddedPostgres::builder().start().unwrap();
    let config = config(&server, "halved").connection_timeout(ms(1000)).validate_after_idle(ms(50));
    let pool = Pool::new(config).unwrap();
    drop(pool.get().unwrap());
    thread::sleep(ms(100));
    server.freeze().unwrap();
    let start = Instant::now();
    let error = pool.get_with(0, None).unwrap_err();
    assert_eq!(error.kind(), holdfast::ErrorKind::ConnectTimeout, "the time went to opening: {error}");
    assert!((ms(900)..ms(1200)).contains(&start.elapsed()), "took {:?}", start.elapsed());
    server.thaw().unwrap();
}
