//! `wait_until_warm` and `ping`.

use std::time::Instant;

use holdfast::{ErrorKind, Pool, PoolConfig};

use crate::support::own_server;
use crate::{config, member, ms, server, soon};

#[test]
fn when_it_returns_so_many_connections_are_open_and_idle() {
    let pool = Pool::new(config(server(), "warmed").max_size(4)).unwrap();
    pool.wait_until_warm(3, ms(20_000)).unwrap();
    assert_eq!((pool.stats().idle, pool.stats().opens), (3, 3));
    pool.wait_until_warm(3, ms(0)).expect("nothing is missing");
    let held = pool.get().unwrap();
    pool.wait_until_warm(4, ms(20_000)).expect("those in use count");
    assert_eq!((pool.stats().idle, pool.stats().opens), (3, 4));
    drop(held);
    assert_eq!(pool.wait_until_warm(5, ms(20_000)).unwrap_err().kind(), ErrorKind::Misuse);
}

#[test]
fn what_min_idle_opens_is_part_of_what_is_asked_for() {
    for wanted in [2, 3] {
        let pool = Pool::new(config(server(), "warmed at its start").max_size(6).min_idle(2)).unwrap();
        pool.wait_until_warm(wanted, ms(20_000)).unwrap();
        std::thread::sleep(ms(100));
        assert_eq!((pool.stats().idle, pool.stats().opens), (wanted, u64::from(wanted)));
    }
}

/// A connection that was opened for it is in the hands of the pool before it is idle, and again for a census. Many rounds, since
/// it is a matter of moments.
#[test]
fn what_the_pool_itself_uses_is_part_of_min_idle() {
    for round in 0..60 {
        let pool =
            Pool::new(member(server(), &format!("warm member {round}")).max_size(4).min_idle(2)).unwrap();
        pool.wait_until_warm(2, ms(20_000)).unwrap();
        soon("two are idle", || pool.stats().idle >= 2);
        assert_eq!((pool.stats().idle, pool.stats().opens), (2, 2), "round {round}");
    }
}

#[test]
fn a_pool_that_cannot_be_warmed_in_time_says_why_and_keeps_what_it_has() {
    let nobody = PoolConfig::from_url("postgresql://app@127.0.0.1:1/nothing?retry_max=0").unwrap();
    let error = Pool::new(nobody).unwrap().wait_until_warm(1, ms(5_000)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    let pool = Pool::new(config(server(), "half warm").max_size(2)).unwrap();
    let begun = Instant::now();
    pool.wait_until_warm(2, ms(0)).unwrap_err();
    assert!(begun.elapsed() < ms(5_000));
    soon("it is at rest", || pool.stats().in_use == 0);
    pool.wait_until_warm(1, ms(20_000)).unwrap();
}

#[test]
fn a_ping_asks_the_server_and_ends_in_time() {
    let server = own_server(|s| s);
    let pool = Pool::new(config(&server, "pinger").max_size(1).retry_max(0).validate_after_idle(ms(60_000)))
        .unwrap();
    pool.ping(ms(20_000)).unwrap();
    assert_eq!(pool.stats().idle, 1);
    server.freeze().unwrap();
    let begun = Instant::now();
    let error = pool.ping(ms(300)).unwrap_err();
    assert!(begun.elapsed() < ms(5_000), "{:?}", begun.elapsed());
    assert_ne!(error.kind(), ErrorKind::Misuse, "{error}");
    server.thaw().unwrap();
    pool.ping(ms(20_000)).unwrap();
}
