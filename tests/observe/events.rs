//! The events of a pool.

use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use holdfast::{ErrorKind, EventKind, Pool, PoolConfig};

use crate::support::{own_server, server};
use crate::{config, ms, soon};

/// An event, kept.
#[derive(Debug, Clone)]
struct Told {
    kind: EventKind,
    connection: Option<u64>,
    pid: Option<u32>,
    took: Option<Duration>,
    reason: Option<String>,
    moved: Option<(u32, u32)>,
    error: Option<ErrorKind>,
    sqlstate: Option<String>,
    message: String,
}

fn listening(config: PoolConfig) -> (Pool, Receiver<Told>) {
    let (sender, events) = channel();
    let config = config.on_event(move |event| {
        let told = Told {
            kind: event.kind,
            connection: event.connection,
            pid: event.backend_pid,
            took: event.took,
            reason: event.reason.map(str::to_owned),
            moved: event.from.zip(event.to),
            error: event.error.map(holdfast::Error::kind),
            sqlstate: event.sqlstate.map(str::to_owned),
            message: event.message.to_owned(),
        };
        let _ = sender.send(told);
    });
    (Pool::new(config).unwrap(), events)
}

/// The next of a kind, whatever comes before.
#[track_caller]
fn next(events: &Receiver<Told>, kind: EventKind) -> Told {
    let mut before = Vec::new();
    loop {
        match events.recv_timeout(ms(20_000)) {
            Ok(told) if told.kind == kind => return told,
            Ok(other) => before.push(other),
            Err(_) => panic!("no {} came, but {before:?}", kind.name()),
        }
    }
}

#[test]
fn the_life_of_a_connection_is_told_from_its_opening_to_its_end() {
    let (pool, events) = listening(config(server(), "life"));
    let mut conn = pool.get().unwrap();
    let pid = conn.backend_pid();
    conn.batch_execute("begin").unwrap();
    drop(conn);
    let opened = next(&events, EventKind::Opened);
    assert!(opened.took.unwrap() > Duration::ZERO && opened.pid == pid, "{opened:?}");
    let acquired = next(&events, EventKind::Acquired);
    assert_eq!((acquired.connection, acquired.pid), (opened.connection, pid));
    assert!(next(&events, EventKind::Released).took.is_some());
    assert_eq!(next(&events, EventKind::RolledBack).connection, opened.connection);
    soon("it is idle again", || pool.stats().idle == 1);
    pool.close();
    let closed = next(&events, EventKind::Closed);
    assert_eq!((closed.reason.as_deref(), closed.connection), (Some("pool_closed"), opened.connection));
}

#[test]
fn waiting_and_timing_out_are_told() {
    let (pool, events) = listening(config(server(), "waits").max_size(1));
    let held = pool.get().unwrap();
    assert_eq!(pool.get_timeout(ms(30)).unwrap_err().kind(), ErrorKind::PoolTimeout);
    let timed_out = next(&events, EventKind::TimedOut);
    assert!(
        timed_out.error == Some(ErrorKind::PoolTimeout) && timed_out.took.unwrap() >= ms(30),
        "{timed_out:?}"
    );
    thread::scope(|scope| {
        let waiter = scope.spawn(|| pool.get().map(drop));
        soon("it waits", || pool.stats().waiting == 1);
        thread::sleep(ms(30));
        drop(held);
        waiter.join().unwrap().unwrap();
    });
    assert!(next(&events, EventKind::Waited).took.unwrap() >= ms(20));
}

#[test]
fn every_retry_is_told_with_its_cause_and_the_wait_before_it() {
    let nobody = PoolConfig::from_url("postgresql://app@127.0.0.1:1/orders").unwrap();
    let (pool, events) = listening(nobody.retry_base_delay(ms(10)).retry_jitter(0.0));
    pool.get().unwrap_err();
    for wait in [10, 20] {
        let retried = next(&events, EventKind::Retried);
        assert_eq!((retried.error, retried.took), (Some(ErrorKind::Refused), Some(ms(wait))));
    }
}

#[test]
fn a_full_server_is_told_as_a_limit_that_moved() {
    let server = own_server(|s| s.max_connections(8).role("app", "secret"));
    let url = server.url_with_password("app", "secret", "postgres");
    let to = PoolConfig::from_url(&url).unwrap().retry_base_delay(ms(20)).fleet_share(false);
    let (pool, events) = listening(to);
    let held = pool.get().unwrap();
    let others = crate::support::fill(&url);
    let error = pool.get_timeout(ms(1000)).unwrap_err();
    // Or the last attempt had too little time left.
    let kinds = [ErrorKind::ServerFull, ErrorKind::PoolTimeout, ErrorKind::ConnectTimeout];
    assert!(kinds.contains(&error.kind()), "{error}");
    let moved = next(&events, EventKind::LimitMoved);
    assert_eq!(moved.reason.as_deref(), Some("reserved"), "{moved:?}");
    assert!(moved.moved.is_some_and(|(from, to)| from > to), "{moved:?}");
    let failed = next(&events, EventKind::OpenFailed);
    assert_eq!(failed.error, Some(ErrorKind::ServerFull));
    assert!(next(&events, EventKind::ExhaustionExplained).message.contains("the server"));
    drop(held);
    drop(others);
}

#[test]
fn an_outage_is_told_by_the_circuit_and_by_the_servers_last_words() {
    let server = own_server(|s| s);
    let (pool, events) = listening(config(&server, "outage").breaker_after(ms(300)).retry_max(0));
    let mut held = pool.get().unwrap();
    server.stop(holdfast_testkit::embedded::StopMode::Fast).unwrap();
    held.batch_execute("select 1").unwrap_err();
    drop(held);
    let said = next(&events, EventKind::ServerMessage);
    assert!(said.message.contains("terminating connection"), "{}", said.message);
    pool.get().unwrap_err();
    assert_eq!(next(&events, EventKind::CircuitMoved).reason.as_deref(), Some("probing"));
    soon("the circuit opens", || {
        drop(pool.get());
        pool.stats().circuit == holdfast::Circuit::Open
    });
    assert_eq!(next(&events, EventKind::CircuitMoved).reason.as_deref(), Some("open"));
    server.start_again().unwrap();
    soon("it is back", || pool.get().is_ok());
    assert_eq!(next(&events, EventKind::CircuitMoved).reason.as_deref(), Some("closed"));
}

#[test]
fn an_idle_connection_that_is_found_closed_is_told_with_the_servers_last_words() {
    let server = own_server(|s| s);
    let (pool, events) = listening(config(&server, "idle").validate_after_idle(Duration::ZERO));
    let idle = pool.get().unwrap();
    let pid = idle.backend_pid().unwrap();
    drop(idle);
    let admin = Pool::new(config(&server, "admin")).unwrap();
    admin.batch_execute(&format!("select pg_terminate_backend({pid})")).unwrap();
    soon("its server process is gone", || {
        let left =
            format!("do $$ begin assert not exists (select from pg_stat_activity where pid = {pid}); end $$");
        admin.batch_execute(&left).is_ok()
    });
    pool.batch_execute("select 1").expect("another connection takes its place");
    let said = next(&events, EventKind::ServerMessage);
    assert!(said.message.contains("terminating connection due to administrator command"), "{}", said.message);
}

#[test]
fn inside_a_sink_no_connection_can_be_had_and_a_panic_there_stays_there() {
    let (sender, seen) = channel();
    let pool: std::sync::Arc<std::sync::OnceLock<Pool>> = Default::default();
    let own = pool.clone();
    let config = config(server(), "inside").on_event(move |event| {
        if event.kind == EventKind::Acquired
            && let Some(pool) = own.get()
        {
            let _ = sender.send(pool.get().map(drop).map_err(|error| error.kind()));
            panic!("a slip of the program's");
        }
    });
    let pool = pool.get_or_init(|| Pool::new(config).unwrap());
    pool.batch_execute("select 1").expect("the sink's panic is its own");
    assert_eq!(seen.recv().unwrap(), Err(ErrorKind::Misuse));
}

#[test]
fn log_records_have_the_same_fields_as_events() {
    let (sender, records) = channel();
    let config = config(server(), "fields").log_sink(holdfast::LogLevel::Debug, move |record| {
        let fields: Vec<_> = record.fields().map(|(name, value)| (name.to_owned(), value)).collect();
        let _ = sender.send(fields);
    });
    let pool = Pool::new(config).unwrap();
    let pid = pool.get().unwrap().backend_pid().unwrap().to_string();
    let opened = records.recv_timeout(ms(10_000)).unwrap();
    let names: Vec<_> = opened.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["event", "connection", "backend_pid", "took_ms"]);
    assert_eq!((opened[0].1.as_str(), opened[2].1.as_str()), ("opened", pid.as_str()));
}

#[test]
fn the_end_of_a_connection_has_the_servers_sqlstate() {
    let (pool, events) = listening(config(server(), "ended"));
    let pid = pool.get().unwrap().backend_pid().unwrap();
    let other = Pool::new(config(server(), "other")).unwrap();
    other.execute("select pg_terminate_backend($1, 5000)", &[&pid.cast_signed()]).unwrap();
    pool.batch_execute("select 1").unwrap();
    let said = next(&events, EventKind::ServerMessage);
    let closed = next(&events, EventKind::Closed);
    assert_eq!((said.sqlstate.as_deref(), closed.sqlstate.as_deref()), (Some("57P01"), Some("57P01")));
    assert_eq!(closed.pid, Some(pid), "{closed:?}");
}

#[test]
fn a_notice_that_nobody_fetched_is_told_when_its_connection_comes_back() {
    let (pool, events) = listening(config(server(), "remarks"));
    pool.batch_execute("do $$ begin raise warning 'mind the gap'; raise notice 'and the %', 'step'; end $$")
        .unwrap();
    let told = next(&events, EventKind::Notice);
    assert_eq!((told.message.as_str(), told.reason.as_deref()), ("mind the gap", Some("warning")));
    assert_eq!(
        (told.sqlstate.as_deref(), told.connection, told.pid.is_some()),
        (Some("01000"), Some(1), true)
    );
    let told = next(&events, EventKind::Notice);
    assert_eq!((told.message.as_str(), told.reason.as_deref()), ("and the step", Some("notice")));
    let mut conn = pool.get().unwrap();
    conn.batch_execute("do $$ begin raise notice 'fetched'; end $$").unwrap();
    assert_eq!(conn.raw().unwrap().take_notices().len(), 1);
    drop(conn);
    pool.close();
    next(&events, EventKind::Closed);
    assert!(!events.try_iter().any(|told| told.kind == EventKind::Notice), "it was fetched");
}
