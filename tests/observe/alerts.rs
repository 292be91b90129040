//! Each alert, provoked on a real server.

use std::thread;
use std::time::Duration;

use holdfast::{AlertKind, EventKind, Pool, PoolConfig};
use holdfast_testkit::embedded::StopMode;

use crate::support::own_server;
use crate::support::proxy::Proxy;
use crate::{config, ms, sample, soon};

#[track_caller]
fn raised(pool: &Pool, kind: AlertKind) -> String {
    let find = || pool.alerts().into_iter().find(|alert| alert.kind == kind);
    soon(&format!("{} is raised", kind.name()), || find().is_some());
    let alert = find().expect("it lasts for a while");
    assert!(alert.remedy().len() > 40);
    let gauge = sample(&pool.metrics_text(), "holdfast_alert", &[("alert", kind.name())]);
    assert_eq!(gauge, Some(1.0));
    alert.cause
}

#[test]
fn a_busy_pool_is_reported_with_its_figures_and_cleared_when_it_is_not() {
    let server = own_server(|s| s);
    let (sender, events) = std::sync::mpsc::channel();
    let config = config(&server, "busy").max_size(2).on_event(move |event| {
        if matches!(event.kind, EventKind::AlertRaised | EventKind::AlertCleared) {
            let _ = sender.send((event.kind, event.reason.unwrap_or_default().to_owned()));
        }
    });
    let pool = Pool::new(config).unwrap();
    let both = [pool.get().unwrap(), pool.get().unwrap()];
    let cause = raised(&pool, AlertKind::PoolUseHigh);
    assert!(cause.starts_with("2 of 2 connections are in use"), "{cause}");
    drop(both);
    soon("it is over", || pool.alerts().is_empty());
    // An event is told a moment after what it tells of.
    let told = [(); 2].map(|()| events.recv_timeout(ms(20_000)).expect("both are told"));
    let name = || "pool_use_high".to_owned();
    assert_eq!(told, [(EventKind::AlertRaised, name()), (EventKind::AlertCleared, name())]);
    assert!(events.try_recv().is_err(), "nothing else is told");
}

#[test]
fn calls_in_vain_and_old_waiters_are_reported() {
    let server = own_server(|s| s);
    let pool = Pool::new(config(&server, "exhausted").max_size(1).connection_timeout(ms(6_000))).unwrap();
    let held = pool.get().unwrap();
    pool.get_timeout(ms(20)).unwrap_err();
    let cause = raised(&pool, AlertKind::PoolExhausted);
    assert!(cause.starts_with("a call got no connection in time 1 time within 10 s"), "{cause}");
    thread::scope(|scope| {
        let waiter = scope.spawn(|| pool.get().map(drop));
        let cause = raised(&pool, AlertKind::OldestWaiter);
        assert!(cause.contains("(connection_timeout is 6.0 s)"), "{cause}");
        drop(held);
        waiter.join().unwrap().unwrap();
    });
    soon("nobody waits", || !pool.alerts().iter().any(|alert| alert.kind == AlertKind::OldestWaiter));
}

#[test]
fn retries_and_an_open_circuit_are_reported() {
    let server = own_server(|s| s);
    let quick = config(&server, "away").retry_base_delay(ms(50)).breaker_after(ms(1_500));
    let pool = Pool::new(quick).unwrap();
    server.stop(StopMode::Immediate).unwrap();
    for _ in 0..2 {
        pool.get().unwrap_err();
    }
    let cause = raised(&pool, AlertKind::RetriesFrequent);
    assert!(cause.contains("an opening was retried "), "{cause}");
    soon("callers meet an open circuit", || {
        drop(pool.get_timeout(ms(50)));
        pool.alerts().iter().any(|alert| alert.kind == AlertKind::CircuitOpen)
    });
    let cause = pool.alerts().into_iter().find(|alert| alert.kind == AlertKind::CircuitOpen).unwrap().cause;
    assert!(cause.contains("no connection can be opened") && cause.contains("refused"), "{cause}");
}

#[test]
fn connects_that_are_swallowed_are_reported() {
    let server = own_server(|s| s);
    let proxy = Proxy::before(&server);
    let to = PoolConfig::from_url(&proxy.url()).unwrap().connection_timeout(ms(300)).retry_max(0);
    let pool = Pool::new(to.fleet_share(false).breaker_after(Duration::ZERO)).unwrap();
    proxy.go_deaf();
    for _ in 0..4 {
        pool.get().unwrap_err();
        thread::sleep(ms(150));
    }
    let cause = raised(&pool, AlertKind::ConnectTimeouts);
    assert!(cause.contains("an opening timed out "), "{cause}");
}

#[test]
fn errors_alarm_when_it_is_not_the_statements_fault() {
    let server = own_server(|s| s);
    let pool = Pool::new(config(&server, "failing").max_size(1)).unwrap();
    for _ in 0..30 {
        pool.batch_execute("select 1/0").unwrap_err();
    }
    thread::sleep(ms(2_500));
    assert_eq!(pool.alerts(), [], "a division by zero is nobody's fault but the statement's");
    for _ in 0..10 {
        pool.batch_execute("set local statement_timeout = 5; select pg_sleep(1)").unwrap_err();
    }
    let cause = raised(&pool, AlertKind::ErrorRateHigh);
    assert!(cause.contains("statements and checkouts failed within 30 s"), "{cause}");
}

#[test]
fn openings_that_a_retry_mends_are_no_errors_of_those_who_asked() {
    let server = own_server(|s| s);
    let pool =
        Pool::new(config(&server, "mended").max_size(1).retry_base_delay(ms(300)).retry_max(20)).unwrap();
    for _ in 0..3 {
        server.stop(StopMode::Fast).unwrap();
        thread::scope(|scope| {
            let asked = scope.spawn(|| pool.batch_execute("select 1"));
            thread::sleep(ms(400));
            server.start_again().unwrap();
            asked.join().unwrap().unwrap();
        });
    }
    let failed: u64 = pool.stats().errors().iter().map(|(_, count)| count).sum();
    assert!(failed >= 3, "an opening failed each time: {failed}");
    for _ in 0..20 {
        pool.batch_execute("select 1").unwrap();
    }
    thread::sleep(ms(2_500));
    let high = pool.alerts().into_iter().find(|alert| alert.kind == AlertKind::ErrorRateHigh);
    assert!(high.is_none(), "{high:?}");
}
