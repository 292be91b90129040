//! The channels of one caller: their notifications reach no other.

use holdfast::{CloseReason, Pool};

use crate::{Observer, config, ms, server};

fn one(name: &str) -> Pool {
    Pool::new(config(server(), name).max_size(1)).unwrap()
}

fn notify(channel: &str) {
    Observer::of(server()).0.batch_execute(&format!("notify {channel}, 'late'")).unwrap();
}

/// The notifications that the next caller receives, and the number of channels its session listens to.
fn told_next(pool: &Pool) -> (Option<holdfast::session::Notification>, i64) {
    let mut conn = pool.get().unwrap();
    let mut raw = conn.raw().unwrap();
    let told = raw.notification(ms(50)).unwrap();
    let block = raw.script("select count(*) from pg_listening_channels()").unwrap().remove(0);
    (told, block.text(0, 0).unwrap().parse().unwrap())
}

#[test]
fn a_session_that_was_told_to_listen_does_not_when_it_is_checked_out_again() {
    let pool = one("listener-by-statement");
    for listen in ["listen news", "listen news; listen sports; unlisten sports"] {
        pool.get().unwrap().raw().unwrap().script(listen).unwrap();
        notify("news");
        assert_eq!(told_next(&pool), (None, 0), "after {listen:?}");
    }
    assert_eq!(pool.stats().opens, 1, "the connection is kept");
}

#[test]
fn one_that_a_function_told_to_listen_does_not_once_something_has_come() {
    let pool = one("listener-by-function");
    let mut conn = pool.get().unwrap();
    let mut raw = conn.raw().unwrap();
    raw.script("do $$ begin execute 'listen whispers'; end $$").unwrap();
    notify("whispers");
    assert_eq!(raw.notification(ms(5_000)).unwrap().expect("it comes").channel, "whispers");
    drop(conn);
    assert_eq!(told_next(&pool), (None, 0));
}

#[test]
fn what_is_left_in_a_transaction_too_is_rolled_back_and_no_longer_listened_to() {
    let pool = one("listener-in-transaction");
    let mut conn = pool.get().unwrap();
    conn.raw().unwrap().script("listen news").unwrap();
    conn.raw().unwrap().script("begin; listen sports").unwrap();
    drop(conn);
    notify("news");
    assert_eq!(told_next(&pool), (None, 0));
    let stats = pool.stats();
    assert_eq!((stats.opens, stats.rolled_back, stats.closes_by(CloseReason::Unclean)), (1, 1, 0));
}

#[test]
fn one_that_listens_to_nothing_is_idle_at_once() {
    let pool = one("no-listener");
    for other in ["select 'LISTEN'", "discard plans", "update pg_class set relname = '' where false"] {
        pool.get().unwrap().raw().unwrap().script(other).unwrap();
        assert_eq!(pool.stats().idle, 1, "no worker had anything to do with it: {other}");
    }
}
