//! A cancel request hits the checkout that it was made for, or nothing.

use std::thread;
use std::time::Instant;

use holdfast::config::SslMode;
use holdfast::{CloseReason, Pool, PoolConfig};

use crate::support::own_server;
use crate::support::proxy::Proxy;
use crate::{config, ms, server, soon};

/// Returns the configuration of a pool of one connection, whose cancel requests go through the proxy too.
fn through(proxy: &Proxy) -> PoolConfig {
    PoolConfig::from_url(&proxy.url()).unwrap().sslmode(SslMode::Disable).max_size(1)
}

#[test]
fn a_request_that_is_under_way_when_the_connection_goes_back_hits_no_later_caller() {
    let pool = Pool::new(config(server(), "late-cancel").max_size(1)).unwrap();
    let pid = |pool: &Pool| pool.query_one("select pg_backend_pid()", &[]).unwrap().get::<_, i32>(0);
    let first = pid(&pool);
    for round in 0..300 {
        let mut conn = pool.get().unwrap();
        let cancel = conn.cancel_handle();
        let canceller = thread::spawn(move || cancel.cancel());
        // Cancelled or not: the request may come before, meanwhile or behind.
        let _ = conn.query("select 1", &[]);
        drop(conn);
        pool.query_one("select pg_sleep(0.003)", &[]).unwrap_or_else(|e| panic!("round {round}: {e}"));
        canceller.join().unwrap().unwrap();
    }
    assert_eq!(pid(&pool), first, "the connection is kept");
}

#[test]
fn giving_a_connection_back_does_not_wait_for_a_request_that_is_under_way() {
    let server = own_server(|s| s);
    let proxy = Proxy::before(&server);
    let pool = Pool::new(through(&proxy).settle_timeout(ms(2_000))).unwrap();
    let mut conn = pool.get().unwrap();
    conn.batch_execute("select 1").unwrap();
    let cancel = conn.cancel_handle();
    proxy.latency(ms(300));
    thread::scope(|scope| {
        let canceller = scope.spawn(|| cancel.cancel());
        thread::sleep(ms(50));
        let start = Instant::now();
        drop(conn);
        assert!(start.elapsed() < ms(200), "the caller waited for {:?}", start.elapsed());
        assert!(pool.try_get().unwrap().is_none(), "nor is it checked out meanwhile");
        canceller.join().unwrap().unwrap();
    });
    proxy.latency(ms(0));
    soon("it is checked out again", || pool.stats().idle == 1);
    assert_eq!(pool.stats().opens, 1);
}

#[test]
fn a_connection_is_closed_when_it_is_not_known_whether_a_request_will_still_come() {
    let server = own_server(|s| s);
    let proxy = Proxy::before(&server);
    let pool = Pool::new(through(&proxy)).unwrap();
    let conn = pool.get().unwrap();
    proxy.latency(ms(500));
    conn.cancel_handle().cancel_within(ms(200)).expect_err("it is under way for longer");
    proxy.latency(ms(0));
    drop(conn);
    soon("it is closed", || pool.stats().closes_by(CloseReason::Unclean) == 1);
    pool.batch_execute("select 1").unwrap();
}

#[test]
fn a_request_that_was_never_sent_costs_no_connection() {
    let server = own_server(|s| s);
    let proxy = Proxy::before(&server);
    let pool = Pool::new(through(&proxy)).unwrap();
    let conn = pool.get().unwrap();
    proxy.refuse();
    conn.cancel_handle().cancel().expect_err("nobody takes it");
    drop(conn);
    soon("it is checked out again", || pool.stats().idle == 1);
    assert_eq!(pool.stats().opens, 1);
}
