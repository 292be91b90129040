//! The report on the holders of connections.

use std::thread;

use holdfast::{ErrorKind, Pool, PoolConfig, TransactionStatus};
use postgres::{Client, NoTls};

use crate::support::own_server;
use crate::{config, ms, soon};

#[test]
fn holders_are_named_with_what_they_do_and_the_server_tells_who_has_its_slots() {
    let server = own_server(|s| s.max_connections(12));
    let pool = Pool::new(config(&server, "explained").application_name("api").max_size(3)).unwrap();
    let mut idle_in_tx = pool.get().unwrap();
    idle_in_tx.batch_execute("begin; select 1").unwrap();
    let mut failed = pool.get().unwrap();
    failed.batch_execute("begin").unwrap();
    failed.batch_execute("select 1/0").unwrap_err();
    let mut stranger =
        Client::connect(&format!("{}?application_name=stranger", server.url()), NoTls).unwrap();
    stranger.batch_execute("begin").unwrap();
    thread::sleep(ms(1_100));
    let story = pool.explain_exhaustion();
    let states: Vec<_> = story.holders.iter().map(|holder| holder.transaction).collect();
    assert_eq!(
        states,
        [TransactionStatus::InTransaction, TransactionStatus::Failed],
        "the longest first: {story}"
    );
    let first = &story.holders[0];
    assert_eq!(first.backend_pid, idle_in_tx.backend_pid());
    assert!(first.place.as_ref().unwrap().contains("tests/observe/exhaustion.rs:"), "{story}");
    assert!(
        first.held_for >= ms(1_100) && first.last_statement.unwrap() >= ms(1_000) && !first.busy,
        "{story}"
    );
    let slots = story.server.as_ref().expect("the third connection was free for the question");
    assert_eq!((slots.max_connections, slots.reserved), (12, 3));
    assert_eq!(slots.idle_in_transaction, 3, "{story}");
    let of_stranger = slots.slots.iter().find(|slot| slot.application == "stranger").unwrap();
    assert_eq!((of_stranger.count, of_stranger.state.as_str()), (1, "idle in transaction"));
    assert!(story.verdict().contains("2 of 2 checkouts are idle in a transaction"), "{story}");
}

#[test]
fn a_call_in_vain_has_it_looked_into_once_a_minute_and_logged() {
    let server = own_server(|s| s);
    let (sender, logged) = std::sync::mpsc::channel();
    let config = config(&server, "in vain").max_size(1).log_sink(holdfast::LogLevel::Warn, move |record| {
        let _ = sender.send(record.message.to_owned());
    });
    let pool = Pool::new(config).unwrap();
    let mut busy = pool.get().unwrap();
    busy.batch_execute("select 1").unwrap();
    for _ in 0..2 {
        assert_eq!(pool.get_timeout(ms(30)).unwrap_err().kind(), ErrorKind::PoolTimeout);
    }
    drop(busy);
    soon("it is found out", || pool.last_exhaustion().is_some());
    let story = pool.last_exhaustion().unwrap();
    assert_eq!(story.holders.len(), 1, "as of then, not of when the server had answered: {story}");
    assert!(story.server.is_some(), "asked over the connection that came back: {story}");
    assert!(story.verdict().contains("no statement runs on any of them"), "{story}");
    let message = logged.recv_timeout(ms(10_000)).unwrap();
    assert!(message.starts_with("who holds the connections: "), "{message}");
    thread::sleep(ms(300));
    assert!(!logged.try_iter().any(|more| more.starts_with("who holds")), "not twice within a minute");
    soon("the connection is idle again", || pool.stats().idle == 1);
}

#[test]
fn where_nothing_comes_back_the_pools_own_view_is_told_all_the_same() {
    let server = own_server(|s| s);
    let pool = Pool::new(config(&server, "stuck").max_size(1)).unwrap();
    let _forgotten = pool.get().unwrap();
    pool.get_timeout(ms(20)).unwrap_err();
    soon("it is told", || pool.last_exhaustion().is_some());
    let story = pool.last_exhaustion().unwrap();
    assert!(story.server.is_none() && story.server_error.is_some() && story.holders.len() == 1, "{story}");
    let asked = pool.explain_exhaustion();
    assert!(asked.server_error.is_some(), "never over one more connection than max_size: {asked}");
    assert_eq!(pool.stats().total, 1);
}

#[test]
fn a_full_server_is_called_that() {
    let server = own_server(|s| s.max_connections(8).role("app", "secret"));
    let url = server.url_with_password("app", "secret", "postgres");
    let pool = Pool::new(PoolConfig::from_url(&url).unwrap().max_size(4).fleet_share(false)).unwrap();
    drop(pool.get().unwrap());
    let _others = crate::support::fill(&url);
    let story = pool.explain_exhaustion();
    assert!(story.verdict().starts_with("the server is full: 5 of 8 slots are used (3 reserved)"), "{story}");
}
