//! Servers out of reach: who tries, who waits, who is refused at once, and how soon all is well again.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use holdfast::config::SslMode;
use holdfast::{Circuit, ErrorKind, Pool, PoolConfig};
use holdfast_testkit::embedded::{EmbeddedPostgres, StopMode};

use crate::support::fake::{FakeServer, Refusal, Script};
use crate::support::own_server;
use crate::support::proxy::Proxy;
use crate::{config, ms, server, soon};

fn to(proxy: &Proxy) -> PoolConfig {
    PoolConfig::from_url(&proxy.url()).unwrap().sslmode(SslMode::Disable).max_size(8)
}

fn server_behind_a_proxy() -> (EmbeddedPostgres, Proxy) {
    let server = own_server(|s| s);
    let proxy = Proxy::before(&server);
    (server, proxy)
}

#[test]
fn one_prober_tries_for_all_who_wait_and_its_success_ends_their_backoff() {
    let (server, proxy) = server_behind_a_proxy();
    server.stop(StopMode::Immediate).unwrap();
    let pool = Pool::new(to(&proxy).retry_base_delay(ms(30_000)).retry_max_delay(ms(30_000))).unwrap();
    thread::scope(|scope| {
        let callers: Vec<_> =
            (0..32).map(|_| scope.spawn(|| pool.query_one("select 1", &[]).map(drop))).collect();
        soon("everybody waits", || pool.stats().waiting == 32);
        assert_eq!(pool.stats().circuit, Circuit::Probing);
        let before = proxy.accepted();
        thread::sleep(ms(1320));
        let tried = proxy.accepted() - before;
        assert!((5..=12).contains(&tried), "ten steps brought {tried} attempts");
        server.start_again().unwrap();
        let back = Instant::now();
        for caller in callers {
            caller.join().expect("no panic").expect("served");
        }
        // 150 ms, and as much again for a machine that does other things.
        assert!(back.elapsed() < ms(1000), "traffic was back after {:?}", back.elapsed());
    });
    let stats = pool.stats();
    assert_eq!((stats.circuit, stats.circuit_for), (Circuit::Closed, None));
    assert!(stats.probes > 5, "{stats:?}");
}

#[test]
fn a_call_is_told_the_failure_that_another_met_and_has_its_retries_all_the_same() {
    let (server, proxy) = server_behind_a_proxy();
    server.stop(StopMode::Immediate).unwrap();
    let pool = Pool::new(to(&proxy).retry_base_delay(ms(100)).retry_jitter(0.0)).unwrap();
    pool.get_with(0, None).unwrap_err();
    let error = pool.get().unwrap_err();
    assert!(error.kind() != ErrorKind::CircuitOpen && error.is_retryable(), "{error}");
    assert_eq!(error.attempts().len(), 3, "{error}");
    assert!(error.attempts().iter().all(|a| a.cause.contains("found out")), "{error}");
    assert!(error.elapsed().unwrap() >= ms(300), "{error}");
}

#[test]
fn after_breaker_after_a_call_fails_at_once_and_says_since_when_and_why() {
    let (server, proxy) = server_behind_a_proxy();
    server.stop(StopMode::Immediate).unwrap();
    let pool = Pool::new(to(&proxy).breaker_after(ms(300)).retry_max(0)).unwrap();
    soon("the circuit opens", || {
        let _ = pool.get();
        pool.stats().circuit == Circuit::Open
    });
    let attempts = proxy.accepted();
    let start = Instant::now();
    for _ in 0..200 {
        let error = pool.get().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CircuitOpen);
        assert!(error.is_retryable() && error.attempts().is_empty());
        let text = error.to_string();
        assert!(text.contains("out of reach for") && text.contains("next in about"), "{text}");
    }
    assert!(start.elapsed() < ms(200), "200 refusals took {:?}", start.elapsed());
    assert!(proxy.accepted() - attempts <= 3, "nobody but the prober tries");
    server.start_again().unwrap();
    soon("the prober finds the server", || pool.get().is_ok());
    assert_eq!(pool.stats().circuit, Circuit::Closed);
}

#[test]
fn while_the_circuit_is_open_a_connection_in_use_is_waited_for() {
    let (_server, proxy) = server_behind_a_proxy();
    let pool = Pool::new(to(&proxy).breaker_after(ms(1)).retry_max(0)).unwrap();
    let held = pool.get().unwrap();
    proxy.refuse();
    pool.get().unwrap_err();
    soon("the circuit opens", || pool.stats().circuit == Circuit::Open);
    thread::scope(|scope| {
        // With a retry, in whose wait the connection comes back.
        let caller = scope.spawn(|| pool.get_with(1, None).map(drop));
        soon("it waits", || pool.stats().waiting == 1);
        drop(held);
        caller.join().expect("no panic").expect("served by the connection that came back");
    });
}

#[test]
fn an_idle_pool_stops_probing() {
    let (server, proxy) = server_behind_a_proxy();
    server.stop(StopMode::Immediate).unwrap();
    let pool = Pool::new(to(&proxy).retry_max(0)).unwrap();
    pool.get().unwrap_err();
    let start = Instant::now();
    soon("the prober gives up", || pool.stats().circuit == Circuit::Closed);
    assert!(start.elapsed() > ms(3000), "it went on for a while: {:?}", start.elapsed());
    let attempts = proxy.accepted();
    thread::sleep(ms(500));
    assert_eq!(proxy.accepted(), attempts, "an idle pool dials nobody");
}

#[test]
fn pools_of_one_server_share_the_prober_and_the_news() {
    let (server, proxy) = server_behind_a_proxy();
    server.stop(StopMode::Immediate).unwrap();
    let config = to(&proxy).retry_base_delay(ms(30_000)).retry_max_delay(ms(30_000));
    let pools: Vec<_> = (0..4).map(|_| Pool::new(config.clone()).unwrap()).collect();
    thread::scope(|scope| {
        let callers: Vec<_> = pools.iter().map(|pool| scope.spawn(|| pool.get().map(drop))).collect();
        soon("all wait", || pools.iter().all(|pool| pool.stats().waiting == 1));
        let before = proxy.accepted();
        thread::sleep(ms(1320));
        assert!(proxy.accepted() - before <= 12, "{} attempts", proxy.accepted() - before);
        server.start_again().unwrap();
        for caller in callers {
            caller.join().expect("no panic").expect("served");
        }
    });
}

#[test]
fn a_server_that_drops_every_packet_is_found_again() {
    let (_server, proxy) = server_behind_a_proxy();
    let pool = Pool::new(to(&proxy).connection_timeout(ms(700)).retry_base_delay(ms(50))).unwrap();
    proxy.go_deaf();
    let error = pool.get_with(3, None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectTimeout, "{error}");
    assert_eq!(pool.stats().circuit, Circuit::Probing, "two time-outs in a row");
    proxy.hear_again();
    soon("it is found", || pool.get().is_ok());
    assert_eq!(pool.stats().circuit, Circuit::Closed);
}

#[test]
fn connections_are_made_a_few_at_a_time() {
    let (_server, proxy) = server_behind_a_proxy();
    proxy.latency(ms(30));
    let pool = Pool::new(to(&proxy)).unwrap();
    let most = AtomicUsize::new(0);
    thread::scope(|scope| {
        let callers: Vec<_> =
            (0..8).map(|_| scope.spawn(|| drop((pool.get().unwrap(), thread::sleep(ms(200)))))).collect();
        while callers.iter().any(|caller| !caller.is_finished()) {
            most.fetch_max(pool.stats().opening as usize, Ordering::Relaxed);
            thread::sleep(ms(1));
        }
    });
    assert!((2..=4).contains(&most.load(Ordering::Relaxed)), "{most:?} at once");
    assert!(pool.stats().opens > 4, "{:?}", pool.stats());
}

#[test]
fn retries_that_cost_the_server_something_stay_within_the_budget_of_the_pool() {
    let (_server, proxy) = server_behind_a_proxy();
    proxy.go_deaf();
    // Time-outs so short prove no outage, so that each attempt is a connection.
    let config = to(&proxy).connection_timeout(ms(160)).retry_base_delay(ms(1)).retry_max_delay(ms(1));
    let pool = Pool::new(config).unwrap();
    let start = Instant::now();
    let error = pool.get_with(100, None).unwrap_err();
    // The first, 35 that the budget has room for, and one that each second earns.
    let (attempts, most) = (error.attempts().len() as u64, 37 + start.elapsed().as_secs());
    assert!((36..=most).contains(&attempts), "{attempts} attempts, of at most {most}");
    assert!(error.to_string().contains("budget of retries is spent"), "{error}");
}

#[test]
fn min_idle_is_filled_when_the_server_is_back_and_dials_nobody_meanwhile() {
    let (server, proxy) = server_behind_a_proxy();
    server.stop(StopMode::Immediate).unwrap();
    let pool = Pool::new(to(&proxy).min_idle(2).retry_base_delay(ms(20)).retry_max_delay(ms(20))).unwrap();
    soon("the outage is noticed", || pool.stats().circuit == Circuit::Probing);
    let before = proxy.accepted();
    thread::sleep(ms(1320));
    assert!(proxy.accepted() - before <= 12, "{} attempts", proxy.accepted() - before);
    server.start_again().unwrap();
    soon("it is filled", || pool.stats().idle == 2);
}

#[test]
fn a_pool_that_cannot_get_in_keeps_no_other_from_what_it_can_reach() {
    // Behind this pooler one database is away, and the other is not.
    let pooler = FakeServer::start(Script::SayAtStartUp(Refusal::starting_up()));
    let away = Pool::from_url(&pooler.url()).unwrap();
    away.get_with(0, None).unwrap_err();
    assert_eq!(away.stats().circuit, Circuit::Probing);
    let other = PoolConfig::from_url(&pooler.url()).unwrap().dbname("another");
    assert_eq!(Pool::new(other).unwrap().stats().circuit, Circuit::Closed, "its own attempt will tell");
    assert_eq!(Pool::from_url(&pooler.url()).unwrap().stats().circuit, Circuit::Probing, "the same way in");
}

/// Makes pools of which each opens a connection in the background, for up to 20 s.
fn six_tenants_of(frozen: &FakeServer) -> Vec<Pool> {
    let tenant = |number| {
        let config = PoolConfig::from_url(&frozen.url()).unwrap().dbname(format!("tenant{number}"));
        Pool::new(config.min_idle(1).connection_timeout(ms(20_000))).unwrap()
    };
    (0..6).map(tenant).collect()
}

#[test]
fn frozen_hosts_do_not_delay_the_opening_of_a_healthy_pool() {
    let frozen = FakeServer::start(Script::SilentAfterAccept);
    let tenants = six_tenants_of(&frozen);
    soon("every tenant is opening", || tenants.iter().all(|tenant| tenant.stats().opening > 0));
    let filled = Pool::new(config(server(), "filled").min_idle(1)).unwrap();
    soon("min_idle is filled", || filled.stats().idle == 1);
    // Too little time for an opening of its own: a thread of the pool's opens.
    let hurried = Pool::new(config(server(), "hurried")).unwrap();
    let _ = hurried.get_timeout(ms(50));
    soon("the connection of a caller in a hurry is open", || hurried.stats().opens == 1);
    for tenant in &tenants {
        tenant.close_timeout(ms(0));
    }
}

#[test]
fn frozen_hosts_do_not_delay_the_cleaning_of_a_healthy_pool() {
    let settle_timeout = ms(2000);
    let frozen = FakeServer::start(Script::SilentAfterAccept);
    let tenants = six_tenants_of(&frozen);
    let healthy = Pool::new(config(server(), "healthy").max_size(1).settle_timeout(settle_timeout)).unwrap();
    healthy.batch_execute("select 1").unwrap();
    thread::scope(|scope| {
        for tenant in &tenants {
            for _ in 0..3 {
                scope.spawn(|| tenant.get().map(drop));
            }
        }
        soon("every tenant is opening", || tenants.iter().all(|tenant| tenant.stats().opening > 0));
        for _ in 0..5 {
            healthy.get().unwrap().batch_execute("begin").unwrap();
            let returned = Instant::now();
            healthy.get().unwrap();
            assert!(returned.elapsed() < settle_timeout, "cleaned after {:?}", returned.elapsed());
        }
        for tenant in &tenants {
            tenant.close_timeout(ms(0));
        }
    });
}
