//! Servers without a slot left: the pool makes do with what it has, and takes more as it comes free. What it does when it
//! shares with other pools is in `fleet.rs`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use holdfast::{CloseReason, ErrorKind, LimitedBy, Pool, PoolConfig};
use holdfast_testkit::embedded::EmbeddedPostgres;

use crate::support::{fill, own_server, wait_until};
use crate::{ms, soon};

/// A server for five sessions, none of which is reserved.
fn five() -> EmbeddedPostgres {
    own_server(|s| s.max_connections(5).setting("superuser_reserved_connections", "0"))
}

/// A pool of eight that tries soon for more than it has.
fn eight(url: &str) -> Pool {
    let config = PoolConfig::from_url(url).unwrap().max_size(8).retry_base_delay(ms(200)).fleet_share(false);
    Pool::new(config).unwrap()
}

/// Has many threads check out and work while `meanwhile` runs; none may fail.
fn under_load<T>(pool: &Pool, meanwhile: impl FnOnce() -> T) -> T {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let conn = pool.get().expect("a connection in its time");
                    thread::sleep(ms(5));
                    drop(conn);
                }
            });
        }
        let done = meanwhile();
        stop.store(true, Ordering::Relaxed);
        done
    })
}

#[test]
fn a_full_server_fails_nobody_who_can_be_served_from_what_the_pool_has() {
    let server = five();
    let mut others = fill(&server.url());
    others.truncate(3);
    let pool = eight(&server.url());
    under_load(&pool, || {
        soon("the limit is that of the server", || pool.stats().limit == 2 && pool.stats().total == 2);
        thread::sleep(ms(1500));
        let stats = pool.stats();
        assert_eq!((stats.max_size, stats.limited_by), (8, Some(LimitedBy::Server)));
        // Those that asked at first, and then one now and then: 50, 100, 200 ms and so on.
        assert!(stats.errors_of(ErrorKind::ServerFull) < 20, "{stats:?}");
        drop(others);
        soon("the pool takes what comes free", || pool.stats().total == 5);
    });
    let stats = pool.stats();
    assert_eq!((stats.timeouts, stats.opens), (0, 5), "{stats:?}");
}

#[test]
fn a_limit_of_the_role_or_the_database_is_told_from_that_of_the_server() {
    let server = own_server(|s| s.max_connections(20));
    server
        .execute(&format!("create role few login password '{}' connection limit 2", server.password()))
        .unwrap();
    server.execute(&format!("create role app login password '{}'", server.password())).unwrap();
    server.execute("create database small connection limit 1").unwrap();
    for (url, size, by) in [
        (server.url_for("few", "postgres"), 2u32, LimitedBy::Role),
        (server.url_for("app", "small"), 1, LimitedBy::Database),
    ] {
        let pool = eight(&url);
        under_load(&pool, || soon("the limit is known", || pool.stats().limited_by == Some(by)));
        assert_eq!((pool.stats().limit, pool.stats().total), (size, size), "{by:?}");
    }
    // What is left is reserved for superusers, the three slots of the default.
    let _others = fill(&server.url_for("app", "postgres"));
    let error = eight(&server.url_for("app", "postgres")).get_with(0, None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ServerFull);
    assert_eq!(error.snapshot().unwrap().limited_by, Some(LimitedBy::Reserved), "{error}");
    assert!(
        error.to_string().contains("limited to 1 of 8 by the server's max_connections, less what"),
        "{error}"
    );
}

#[test]
fn a_caller_whose_time_is_up_at_a_full_server_is_told_so() {
    let server = five();
    let mut others = fill(&server.url());
    others.truncate(4);
    let pool = eight(&server.url());
    let held = pool.get().unwrap();
    let error = pool.get_timeout(ms(700)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ServerFull, "{error}");
    assert!(error.is_retryable() && error.elapsed().unwrap() >= ms(700), "{error}");
    assert!(error.to_string().contains("of 8 by the server's max_connections"), "{error}");
    thread::scope(|scope| {
        let waiter = scope.spawn(|| pool.get_timeout(ms(5000)).map(drop));
        soon("it waits", || pool.stats().waiting == 1);
        drop(held);
        waiter.join().unwrap().expect("the connection that came back");
    });
}

#[test]
fn idle_connections_are_let_go_sooner_while_the_server_is_full() {
    let server = five();
    let mut others = fill(&server.url());
    others.truncate(3);
    let config =
        PoolConfig::from_url(&server.url()).unwrap().max_size(8).idle_timeout(ms(2000)).fleet_share(false);
    let pool = Pool::new(config.retry_base_delay(ms(100))).unwrap();
    let kept = pool.get().unwrap();
    drop((pool.get().unwrap(), pool.get_timeout(ms(300)).unwrap_err()));
    soon("one was refused", || pool.stats().limited_by.is_some());
    wait_until("an idle connection goes", ms(1800), || pool.stats().closes_by(CloseReason::IdleTimeout) == 1);
    drop(kept);
}

#[test]
fn what_was_learned_is_forgotten_by_a_pool_that_nobody_uses() {
    let server = five();
    let others = fill(&server.url());
    let config =
        PoolConfig::from_url(&server.url()).unwrap().max_size(8).retry_base_delay(ms(40)).fleet_share(false);
    let pool = Pool::new(config.retry_max_delay(ms(200))).unwrap();
    pool.get_with(0, None).unwrap_err();
    assert_eq!((pool.stats().limit, pool.stats().limited_by), (1, Some(LimitedBy::Server)));
    drop(others);
    soon("it is forgotten", || (pool.stats().limit, pool.stats().limited_by) == (8, None));
}
