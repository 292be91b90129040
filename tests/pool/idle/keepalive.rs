//! `keepalive_interval`: idle connections are validated in the background, without delaying callers.

use std::thread;
use std::time::{Duration, Instant};

use holdfast::{CloseReason, Pool};
use holdfast_testkit::embedded::EmbeddedPostgres;

use crate::support::activity;
use crate::{Observer, config, ms, server, soon};

const HOUR: Duration = Duration::from_secs(3600);

/// Whether a connection is asked and does not answer: the others answer at once.
fn is_asked_in_vain(pool: &Pool) -> bool {
    let end = Instant::now() + ms(60);
    while Instant::now() < end {
        if pool.stats().in_use != 1 {
            return false;
        }
        thread::sleep(ms(1));
    }
    true
}

#[test]
fn a_silent_connection_is_found_and_replaced_before_anybody_needs_it() {
    let server = EmbeddedPostgres::builder().start().unwrap();
    let config =
        config(&server, "replaced").min_idle(2).keepalive_interval(ms(200)).validation_timeout(ms(300));
    let pool = Pool::new(config).unwrap();
    soon("two are open", || pool.stats().idle == 2);
    let mut observer = Observer::of(&server);
    let silent = observer.backends("replaced")[0];
    server.freeze_backend(silent).unwrap();
    soon("it is found", || pool.stats().closes_by(CloseReason::ValidationFailed) == 1);
    soon("another one is there", || pool.stats().idle == 2);
    let stats = pool.stats();
    assert_eq!((stats.gets, stats.opens), (0, 3), "without a caller");
    let start = Instant::now();
    let pid: i32 = pool.query_one("select pg_backend_pid()", &[]).unwrap().get(0);
    assert!(pid != silent && start.elapsed() < ms(250), "took {:?}", start.elapsed());
    server.thaw_backend(silent).unwrap();
}

#[test]
fn validation_keeps_no_connection_beyond_its_idle_timeout() {
    let config = config(server(), "probed").idle_timeout(ms(1500)).keepalive_interval(ms(100)).max_size(2);
    let pool = Pool::new(config).unwrap();
    let both = [pool.get().unwrap(), pool.get().unwrap()];
    drop(both);
    let last_use = Instant::now();
    soon("both are closed", || pool.stats().total == 0);
    let gone_after = last_use.elapsed();
    assert!((ms(1490)..ms(2800)).contains(&gone_after), "gone after {gone_after:?}");
    let stats = pool.stats();
    assert_eq!((stats.closes_by(CloseReason::IdleTimeout), stats.gets), (2, 2));
    assert!(stats.validations >= 10, "only {} proofs in 1.5 s", stats.validations);
}

#[test]
fn no_caller_waits_for_a_connection_under_validation_while_another_can_be_had() {
    let server = EmbeddedPostgres::builder().start().unwrap();
    let config =
        config(&server, "unhindered").max_size(2).keepalive_interval(ms(100)).validate_after_idle(HOUR);
    let pool = Pool::new(config.validation_timeout(ms(4000)).statement_deadline(ms(2000))).unwrap();
    let lowest = pool.get().unwrap();
    let silent = lowest.backend_pid().unwrap() as i32;
    drop(pool.get().unwrap());
    drop(lowest);
    // The silent one is the next to be checked out.
    server.freeze_backend(silent).unwrap();
    soon("it is asked", || is_asked_in_vain(&pool));
    let start = Instant::now();
    for _ in 0..50 {
        let pid: i32 = pool.query_one("select pg_backend_pid()", &[]).unwrap().get(0);
        assert_ne!(pid, silent);
    }
    // And with none left, a caller who may open one does.
    let held = pool.get().unwrap();
    assert!(start.elapsed() < ms(2000), "took {:?}", start.elapsed());
    assert_eq!(pool.stats().closes_by(CloseReason::ValidationFailed), 0, "it is still being asked");
    drop(held);
    server.thaw_backend(silent).unwrap();
    soon("it has answered and is back", || pool.stats().idle == 2);
}

#[test]
fn a_caller_with_nothing_else_gets_the_connection_once_it_is_validated() {
    let server = EmbeddedPostgres::builder().start().unwrap();
    let config = config(&server, "only").max_size(1).keepalive_interval(ms(100)).validation_timeout(ms(5000));
    let pool = Pool::new(config).unwrap();
    let pid = pool.get().unwrap().backend_pid().unwrap() as i32;
    server.freeze_backend(pid).unwrap();
    soon("it is asked", || is_asked_in_vain(&pool));
    thread::scope(|scope| {
        let caller = scope.spawn(|| pool.get().unwrap().backend_pid().unwrap() as i32);
        soon("the caller waits", || pool.stats().waiting == 1);
        server.thaw_backend(pid).unwrap();
        assert_eq!(caller.join().unwrap(), pid);
    });
}

#[test]
fn sessions_that_min_idle_keeps_are_kept_alive_at_a_server_that_ends_idle_ones() {
    let config =
        config(server(), "kept").min_idle(1).idle_timeout(ms(300)).server_idle_session_timeout(ms(3000));
    let pool = Pool::new(config.keepalive_interval(ms(250))).unwrap();
    soon("one is open", || pool.stats().idle == 1);
    let mut observer = Observer::of(server());
    let before = observer.backends("kept");
    thread::sleep(ms(6500));
    assert_eq!(observer.backends("kept"), before);
    assert_eq!(pool.stats().opens, 1);
}

#[test]
fn with_keepalive_off_an_idle_connection_is_left_alone() {
    let mut observer = activity::Observer::of(server());
    let mut state_change = |name: &str| observer.backends_of(name)[0].state_change;
    // Looks at other pools are something else.
    let alone = |name| config(server(), name);
    let off = Pool::new(alone("left alone")).unwrap();
    let on = Pool::new(alone("asked").keepalive_interval(ms(200))).unwrap();
    off.batch_execute("select 1").unwrap();
    on.batch_execute("select 1").unwrap();
    let before = [state_change("left alone"), state_change("asked")];
    thread::sleep(ms(1200));
    assert_eq!(state_change("left alone"), before[0]);
    assert_ne!(state_change("asked"), before[1]);
}

#[test]
fn callers_meet_no_trouble_while_everything_idle_is_asked_all_the_time() {
    let config = config(server(), "stirred").max_size(4).keepalive_interval(ms(100));
    let pool = Pool::new(config).unwrap();
    let end = Instant::now() + Duration::from_secs(2);
    thread::scope(|scope| {
        for n in 0..6u64 {
            let pool = &pool;
            scope.spawn(move || {
                while Instant::now() < end {
                    pool.query_one("select 1", &[]).expect("a working connection");
                    thread::sleep(ms(40 + 35 * n));
                }
            });
        }
    });
    soon("all is at rest", || pool.stats().in_use == 0);
    let stats = pool.stats();
    assert!(stats.total <= 4 && stats.closes_by(CloseReason::ValidationFailed) == 0);
    assert!(stats.validations > 0, "nothing was asked");
}
