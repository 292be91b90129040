//! Connections that cannot be opened: what is retried, what is answered at once, what the error says.

use std::thread;
use std::time::{Duration, Instant};

use holdfast::{ErrorKind, Phase, Pool, PoolConfig};
use holdfast_testkit::embedded::{EmbeddedPostgres, free_port};

use crate::support::proxy::Proxy;
use crate::{config, ms, pool, server, soon};

fn nobody_listens() -> PoolConfig {
    let port = free_port().expect("a free port");
    PoolConfig::from_url(&format!("postgresql://app:s3cret@127.0.0.1:{port}/orders")).expect("a valid URL")
}

/// A server with room for a few sessions.
fn small_server(max_connections: u32) -> EmbeddedPostgres {
    EmbeddedPostgres::builder()
        .max_connections(max_connections)
        .setting("superuser_reserved_connections", "0")
        .start()
        .expect("a small server starts")
}

#[test]
fn a_closed_port_is_refused_within_milliseconds_when_no_retry_is_wanted() {
    let pool = Pool::new(nobody_listens().retry_max(0)).unwrap();
    let start = Instant::now();
    let error = pool.get().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!(error.phase(), Some(Phase::Connect));
    assert_eq!(error.attempts().len(), 1);
    assert!(error.is_retryable());
    assert!(start.elapsed() < ms(500), "took {:?}", start.elapsed());
}

#[test]
fn a_closed_port_is_tried_three_times_about_one_and_two_seconds_apart() {
    let pool = Pool::new(nobody_listens().retry_jitter(0.0)).unwrap();
    let start = Instant::now();
    let error = pool.get().unwrap_err();
    let took = start.elapsed();
    assert!((ms(3000)..ms(3600)).contains(&took), "took {took:?}");
    assert_eq!(error.attempts().len(), 3);
    let waits: Vec<_> = error.attempts().iter().map(|a| a.backoff).collect();
    assert_eq!(waits, [Some(ms(1000)), Some(ms(2000)), None]);
    assert!(error.attempts()[0].age() > ms(2900));
    assert_eq!(pool.stats().retries, 2);
    assert_eq!(pool.stats().errors_of(ErrorKind::Refused), 3);
}

#[test]
fn the_number_of_retries_can_be_set_per_call() {
    let pool = Pool::new(nobody_listens().retry_base_delay(ms(10))).unwrap();
    assert_eq!(pool.get_with(0, None).unwrap_err().attempts().len(), 1);
    assert_eq!(pool.get_with(4, None).unwrap_err().attempts().len(), 5);
}

#[test]
fn get_timeout_bounds_attempts_and_waits_together() {
    let pool = Pool::new(nobody_listens().retry_jitter(0.0)).unwrap();
    let start = Instant::now();
    let error = pool.get_timeout(ms(1500)).unwrap_err();
    assert_eq!(error.attempts().len(), 2, "the second wait would pass the limit");
    assert!(start.elapsed() < ms(1900), "took {:?}", start.elapsed());
}

#[test]
fn a_server_that_is_full_for_two_seconds_costs_a_wait_and_no_error() {
    let server = small_server(4);
    let crowd: Vec<_> = (0..4).map(|_| server.connect().unwrap()).collect();
    let leaving = thread::spawn(move || {
        thread::sleep(ms(2000));
        drop(crowd);
    });
    let pool = pool(&server, "patient");
    let start = Instant::now();
    let mut conn = pool.get().expect("a slot comes free in time for a retry");
    assert!(start.elapsed() > ms(1900), "took {:?}", start.elapsed());
    assert_eq!(conn.query_one("select 7", &[]).unwrap().get::<_, i32>(0), 7);
    assert!(pool.stats().errors_of(ErrorKind::ServerFull) >= 1);
    leaving.join().unwrap();
}

#[test]
fn a_server_that_stays_full_is_reported_with_every_attempt() {
    let server = small_server(3);
    let _crowd: Vec<_> = (0..3).map(|_| server.connect().unwrap()).collect();
    let config = config(&server, "unlucky").retry_base_delay(ms(50));
    let pool = Pool::new(config).unwrap();
    let error = pool.get().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ServerFull);
    assert_eq!(error.sqlstate().unwrap().code(), "53300");
    assert_eq!(error.attempts().len(), 3);
    assert!(error.attempts().iter().all(|a| a.kind == ErrorKind::ServerFull));
    let text = error.to_string();
    for part in ["sorry, too many clients already", "3 attempts", "53300", "pool: 0 of", "what to do"] {
        assert!(text.contains(part), "{part:?} is missing in: {text}");
    }
    let snapshot = error.snapshot().unwrap();
    assert_eq!((snapshot.total, snapshot.opening), (0, 0));
}

#[test]
fn limits_of_role_and_database_and_reserved_slots_are_full_servers_too() {
    let server = EmbeddedPostgres::builder()
        .max_connections(6)
        .setting("superuser_reserved_connections", "4")
        .sql("create role narrow login connection limit 0; create role plain login")
        .start()
        .unwrap();
    server.execute("create database tight connection limit 0").unwrap();
    let refused = |user: &str, database: &str| {
        let config = PoolConfig::from_url(&server.url_for(user, database)).unwrap().retry_max(0);
        Pool::new(config).unwrap().get().unwrap_err()
    };
    let by_role = refused("narrow", "postgres");
    assert_eq!(by_role.kind(), ErrorKind::ServerFull, "{by_role}");
    let by_database = refused("plain", "tight");
    assert_eq!(by_database.kind(), ErrorKind::ServerFull, "{by_database}");
    let _crowd: Vec<_> = (0..2).map(|_| server.connect().unwrap()).collect();
    let by_reserve = refused("plain", "postgres");
    assert_eq!(by_reserve.kind(), ErrorKind::ServerFull, "{by_reserve}");
    assert!(by_reserve.is_retryable());
}

#[test]
fn an_unknown_database_and_a_wrong_role_are_answered_at_once() {
    let server = server();
    for (url, code, kind) in [
        (server.url_for("postgres", "nowhere"), "3D000", ErrorKind::Database),
        (server.url_for("nobody_by_that_name", "postgres"), "28P01", ErrorKind::Auth),
    ] {
        let start = Instant::now();
        let error = Pool::from_url(&url).unwrap().get().unwrap_err();
        assert_eq!(error.sqlstate().unwrap().code(), code);
        assert_eq!(error.kind(), kind);
        assert!(!error.is_retryable());
        assert_eq!(error.attempts().len(), 1);
        assert!(start.elapsed() < ms(900), "took {:?}", start.elapsed());
    }
}

#[test]
fn a_name_that_does_not_resolve_is_named() {
    let pool = Pool::from_url("postgresql://app@no-such-host.invalid/orders").unwrap();
    let error = pool.get_with(0, None).unwrap_err();
    assert_eq!((error.kind(), error.phase()), (ErrorKind::Resolve, Some(Phase::Resolve)));
    assert!(error.to_string().contains("no-such-host.invalid"));
}

#[test]
fn no_secret_is_in_any_text_of_an_error_or_a_pool() {
    let config = nobody_listens().retry_max(0);
    let config_text = format!("{config:?}");
    let pool = Pool::new(config).unwrap();
    let error = pool.get().unwrap_err();
    for text in [error.to_string(), format!("{error:?}"), format!("{pool:?}"), config_text] {
        assert!(!text.contains("s3cret"), "{text}");
    }
}

#[test]
fn a_thread_that_backs_off_takes_a_connection_that_comes_free() {
    let proxy = Proxy::before(server());
    let config = PoolConfig::from_url(&proxy.url()).unwrap().retry_base_delay(ms(5000)).retry_jitter(0.0);
    let pool = Pool::new(config).unwrap();
    let held = pool.get().unwrap();
    proxy.refuse();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let start = Instant::now();
            pool.get().map(|_| start.elapsed())
        });
        soon("the waiter was refused and backs off", || pool.stats().retries == 1);
        thread::sleep(ms(100));
        drop(held);
        let took = waiter.join().unwrap().expect("the connection that came back");
        assert!(took < ms(2000), "slept through its backoff: {took:?}");
    });
    assert_eq!(pool.stats().opens, 1);
}

#[test]
fn a_pool_opens_nothing_before_it_is_asked() {
    let pool = Pool::new(nobody_listens()).unwrap();
    thread::sleep(Duration::from_millis(50));
    assert_eq!((pool.stats().total, pool.stats().opens), (0, 0));
    assert!(pool.try_get().unwrap().is_none());
}
