//! Health, through good times and bad ones.

use holdfast::{Circuit, ErrorKind, HealthStatus, Pool, PoolConfig};
use holdfast_testkit::embedded::StopMode;

use crate::support::own_server;
use crate::{config, ms, soon};

#[test]
fn a_pool_goes_down_with_its_server_and_is_ready_again_with_it() {
    let server = own_server(|s| s);
    let pool = Pool::new(config(&server, "health").breaker_after(ms(500)).retry_max(0)).unwrap();
    assert_eq!(pool.health().status, HealthStatus::Healthy, "nobody has asked yet");
    assert_eq!(pool.health().last_success, None);
    pool.batch_execute("select 1").unwrap();
    let health = pool.health();
    assert!(health.is_ready() && health.is_live() && health.last_success.unwrap() < ms(10_000), "{health}");
    server.stop(StopMode::Immediate).unwrap();
    pool.get_timeout(ms(500)).unwrap_err();
    soon("it is down", || {
        drop(pool.get_timeout(ms(100)));
        pool.health().status == HealthStatus::Down
    });
    let health = pool.health();
    assert!(health.is_live() && !health.is_ready(), "a restart of the process would not help: {health}");
    assert_eq!(health.last_error.as_ref().unwrap().kind, ErrorKind::Refused);
    assert!(health.reasons[0].contains("no connection can be opened"), "{health}");
    server.start_again().unwrap();
    // What failed meanwhile may have raised an alert, which lasts for a minute.
    soon("it is ready again", || {
        drop(pool.get_timeout(ms(500)));
        pool.health().is_ready() && pool.stats().circuit == Circuit::Closed
    });
}

#[test]
fn a_full_server_degrades_a_pool_that_still_serves() {
    let server = own_server(|s| s.max_connections(8).role("app", "secret"));
    let url = server.url_with_password("app", "secret", "postgres");
    let pool =
        Pool::new(PoolConfig::from_url(&url).unwrap().max_size(4).retry_max(0).fleet_share(false)).unwrap();
    let one = pool.get().unwrap();
    let others = crate::support::fill(&url);
    let second = pool.get_timeout(ms(200));
    assert!(second.is_err());
    let health = pool.health();
    assert_eq!(health.status, HealthStatus::Degraded, "{health}");
    // 1, or 2 while one more is tried.
    assert!(
        health.reasons.iter().any(|reason| reason.contains("connections at most at present, of 4")),
        "{health}"
    );
    assert!(health.is_ready(), "who waits for the one is served");
    drop((one, others));
}

#[test]
fn a_validation_measures_the_round_trip() {
    let server = own_server(|s| s);
    let pool = Pool::new(config(&server, "validated").validate_after_idle(ms(0))).unwrap();
    drop(pool.get().unwrap());
    assert_eq!(pool.health().last_probe, None);
    std::thread::sleep(ms(20));
    drop(pool.get().unwrap());
    assert!(pool.health().last_probe.unwrap() < ms(1_000));
}

#[test]
fn a_closed_pool_is_not_alive() {
    let pool = Pool::echo(PoolConfig::new()).unwrap();
    pool.close();
    let health = pool.health();
    assert!(!health.is_live() && !health.is_ready(), "{health}");
}
