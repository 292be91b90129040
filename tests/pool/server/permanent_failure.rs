//! Permanent failures: every caller fails fast after one attempt, and the server is asked again but rarely.

use std::thread;
use std::time::Instant;

use holdfast::config::SslMode;
use holdfast::{Circuit, ErrorKind, Pool, PoolConfig};

use crate::support::own_server;
use crate::support::proxy::Proxy;
use crate::{ms, soon};

#[test]
fn a_wrong_password_is_told_to_all_who_wait_after_an_attempt_or_two_and_forgotten_once_it_is_right() {
    let server = own_server(|s| s.role("app", "right").password("secret"));
    let proxy = Proxy::before(&server);
    let url = format!("postgresql://app:wrong@127.0.0.1:{}/postgres", proxy.port());
    let pool = Pool::new(PoolConfig::from_url(&url).unwrap().sslmode(SslMode::Disable)).unwrap();
    let start = Instant::now();
    thread::scope(|scope| {
        let callers: Vec<_> = (0..32).map(|_| scope.spawn(|| pool.get().map(drop).unwrap_err())).collect();
        for caller in callers {
            let error = caller.join().expect("no panic");
            assert_eq!(
                (error.kind(), error.sqlstate().unwrap().code()),
                (ErrorKind::Auth, "28P01"),
                "{error}"
            );
            assert!(!error.is_retryable());
        }
    });
    assert!(start.elapsed() < ms(2000), "they were told after {:?}", start.elapsed());
    let asked = proxy.accepted();
    assert!(asked <= 4, "the server was asked {asked} times");
    assert_eq!(pool.stats().circuit, Circuit::Refused);
    assert!(pool.stats().circuit_for.is_some());

    let start = Instant::now();
    let told: Vec<_> = (0..100).map(|_| pool.get().unwrap_err()).collect();
    assert!(start.elapsed() < ms(200), "100 refusals took {:?}", start.elapsed());
    assert!(told.iter().any(|error| error.to_string().contains("not asked again before")), "{}", told[0]);

    server.execute("alter role app password 'wrong'").unwrap();
    soon("it is asked again", || pool.get().is_ok());
    assert_eq!(pool.stats().circuit, Circuit::Closed);
    assert!(proxy.accepted() - asked <= 6, "{} more connections", proxy.accepted() - asked);
}

#[test]
fn who_can_be_served_by_what_the_pool_has_waits_for_that() {
    let server = own_server(|s| s.role("app", "right").password("secret"));
    let url = server.url_with_password("app", "right", "postgres");
    let pool = Pool::new(PoolConfig::from_url(&url).unwrap().max_size(2)).unwrap();
    let held = pool.get().unwrap();
    server.execute("alter role app password 'another'").unwrap();
    assert_eq!(pool.get().unwrap_err().kind(), ErrorKind::Auth, "who found it out");
    thread::scope(|scope| {
        let caller = scope.spawn(|| pool.get().map(drop));
        soon("it waits", || pool.stats().waiting == 1);
        drop(held);
        caller.join().expect("no panic").expect("served by the connection that came back");
    });
    // The last connection goes, and with it all hope.
    let held = pool.get().unwrap();
    thread::scope(|scope| {
        let caller = scope.spawn(|| pool.get().map(drop));
        soon("it waits", || pool.stats().waiting == 1);
        held.discard();
        assert_eq!(caller.join().expect("no panic").unwrap_err().kind(), ErrorKind::Auth);
    });
}

#[test]
fn an_unknown_database_is_no_outage() {
    let server = own_server(|s| s);
    let pool = Pool::from_url(&server.url_for("postgres", "missing")).unwrap();
    for _ in 0..3 {
        let error = pool.get().unwrap_err();
        assert_eq!(error.sqlstate().unwrap().code(), "3D000");
    }
    assert_eq!(pool.stats().circuit, Circuit::Refused);
    server.execute("create database missing").unwrap();
    soon("it is found", || pool.get().is_ok());
}
