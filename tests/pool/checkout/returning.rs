//! A connection that comes back is clean for the next caller, or is gone; and giving it back never waits.

use std::io::Write;
use std::time::Instant;

use fallible_iterator::FallibleIterator;
use holdfast::SimpleQueryMessage;
use holdfast::{CloseReason, Pool};

use crate::{Observer, config, ms, pool, server, soon};

fn one(name: &str) -> Pool {
    Pool::new(config(server(), name).max_size(1)).unwrap()
}

fn pid(pool: &Pool) -> i32 {
    pool.query_one("select pg_backend_pid()", &[]).unwrap().get(0)
}

/// The next caller is outside any transaction, and what it writes stays.
fn assert_next_caller_is_undisturbed(pool: &Pool) {
    let mut conn = pool.get().unwrap();
    // Equal only in a transaction that began with this very statement.
    let answer = conn.simple_query("select now() = statement_timestamp()").unwrap();
    let fresh = answer.iter().any(|m| matches!(m, SimpleQueryMessage::Row(row) if row.get(0) == Some("t")));
    assert!(fresh, "the next caller is inside somebody else's transaction");
}

#[test]
fn an_open_transaction_is_rolled_back_before_the_next_caller() {
    let pool = one("leaver");
    pool.batch_execute("create table if not exists leaver (n int)").unwrap();
    let before = pid(&pool);
    pool.get().unwrap().batch_execute("begin; insert into leaver values (1)").unwrap();
    assert_next_caller_is_undisturbed(&pool);
    let rows: i64 = pool.query_one("select count(*) from leaver", &[]).unwrap().get(0);
    assert_eq!(rows, 0);
    assert_eq!(pid(&pool), before, "the connection is kept");
    assert_eq!(pool.stats().rolled_back, 1);
}

#[test]
fn a_failed_transaction_is_rolled_back_before_the_next_caller() {
    let pool = one("failer");
    let before = pid(&pool);
    pool.get().unwrap().batch_execute("begin; select 1/0").unwrap_err();
    assert_next_caller_is_undisturbed(&pool);
    assert_eq!(pid(&pool), before);
    assert_eq!(pool.stats().rolled_back, 1);
}

#[test]
fn a_result_read_half_way_is_cancelled_and_drained() {
    let pool = one("reader");
    {
        let mut conn = pool.get().unwrap();
        let none: [&(dyn postgres::types::ToSql + Sync); 0] = [];
        let mut rows = conn.query_raw("select generate_series(1, 100000000)", none).unwrap();
        rows.next().unwrap().expect("a first row");
    }
    let start = Instant::now();
    assert_next_caller_is_undisturbed(&pool);
    assert!(start.elapsed() < ms(3000), "took {:?}", start.elapsed());
}

#[test]
fn a_copy_into_a_table_given_up_half_way_leaves_nothing_behind() {
    let pool = one("feeder");
    pool.batch_execute("create table if not exists feeder (n int)").unwrap();
    {
        let mut conn = pool.get().unwrap();
        let mut writer = conn.copy_in("copy feeder from stdin").unwrap();
        writer.write_all(b"1\n2\n").unwrap();
        writer.flush().unwrap();
        // Neither finished nor told to stop: the writer cannot even be dropped.
        std::mem::forget(writer);
    }
    assert_next_caller_is_undisturbed(&pool);
    let rows: i64 = pool.query_one("select count(*) from feeder", &[]).unwrap().get(0);
    assert_eq!(rows, 0);
}

#[test]
fn a_copy_begun_by_simple_query_leaves_nothing_behind() {
    let pool = one("simple_feeder");
    pool.batch_execute("create table if not exists simple_feeder (n int)").unwrap();
    pool.get().unwrap().batch_execute("copy simple_feeder from stdin").unwrap_err();
    assert_next_caller_is_undisturbed(&pool);
}

#[test]
fn a_copy_out_of_a_table_read_half_way_is_cancelled_and_drained() {
    use std::io::Read;
    let pool = one("exporter");
    {
        let mut conn = pool.get().unwrap();
        let sql = "copy (select generate_series(1, 100000000)) to stdout";
        let mut reader = conn.copy_out(sql).unwrap();
        reader.read_exact(&mut [0; 10]).unwrap();
    }
    assert_next_caller_is_undisturbed(&pool);
}

#[test]
fn a_lease_whose_backend_was_killed_is_replaced() {
    let pool = one("victim");
    let mut conn = pool.get().unwrap();
    let doomed: i32 = conn.query_one("select pg_backend_pid()", &[]).unwrap().get(0);
    Observer::of(server()).terminate(doomed);
    conn.query_one("select 1", &[]).unwrap_err();
    drop(conn);
    assert_ne!(pid(&pool), doomed);
    assert_eq!(pool.stats().closes_by(CloseReason::Broken), 1);
}

#[test]
fn a_discarded_connection_is_closed_and_replaced() {
    let pool = one("discarder");
    let before = pid(&pool);
    pool.get().unwrap().discard();
    assert_ne!(pid(&pool), before);
    let mut observer = Observer::of(server());
    soon("only the new one is left", || observer.backends("discarder").len() == 1);
    assert_eq!(pool.stats().closes_by(CloseReason::Discarded), 1);
}

#[test]
fn no_more_than_max_size_connections_exist_while_others_are_thrown_away() {
    let pool = Pool::new(config(server(), "thrower").max_size(3)).unwrap();
    let mut observer = Observer::of(server());
    let mut most = 0;
    std::thread::scope(|scope| {
        let throwers: Vec<_> = (0..6)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..15 {
                        let mut conn = pool.get().unwrap();
                        conn.batch_execute("select 1").unwrap();
                        conn.discard();
                    }
                })
            })
            .collect();
        while throwers.iter().any(|t| !t.is_finished()) {
            most = most.max(observer.backends("thrower").len());
        }
    });
    assert!(most > 0 && most <= 3, "the server saw {most}");
    assert_eq!(pool.stats().opens, 90);
}

#[test]
fn session_settings_are_the_callers_own_business() {
    let pool = one("setter");
    pool.batch_execute("set statement_timeout = '7s'").unwrap();
    let kept: String = pool.query_one("show statement_timeout", &[]).unwrap().get(0);
    assert_eq!(
        kept, "7s",
        "documented on PooledConnection: settings stay, discard the connection to be rid of them"
    );
    drop(pool);
    let other = pool_of_default();
    let fresh: String = other.query_one("show statement_timeout", &[]).unwrap().get(0);
    assert_eq!(fresh, "0");
}

#[test]
fn another_encoding_of_texts_does_not_reach_the_next_caller() {
    let pool = one("encoder");
    for leave in [
        "set client_encoding = 'LATIN1'",
        "select pg_catalog.set_config('client_encoding', 'SJIS', false)",
        "listen news; set client_encoding = 'BIG5'",
        "begin; set client_encoding = 'LATIN1'",
        "set client_encoding = 'LATIN1'; begin",
    ] {
        pool.batch_execute(leave).unwrap();
        let text: String = pool.query_one("select 'f\u{fc}r \u{2603}'", &[]).unwrap().get(0);
        assert_eq!(text, "f\u{fc}r \u{2603}", "after {leave}");
        let encoding: String = pool.query_one("show client_encoding", &[]).unwrap().get(0);
        assert_eq!(encoding, "UTF8", "after {leave}");
    }
    assert_eq!(pool.stats().opens, 1, "the connection is kept");
}

fn pool_of_default() -> Pool {
    pool(server(), "setter")
}

#[test]
fn a_session_that_the_server_ended_between_checkouts_is_not_checked_out_again_and_again() {
    let server = holdfast_testkit::embedded::EmbeddedPostgres::builder().start().unwrap();
    let pool = Pool::new(config(&server, "hammered").max_size(1)).unwrap();
    for round in 0..20 {
        let pid = pool.get().unwrap().backend_pid().unwrap() as i32;
        // The server's last words arrive between two checkouts that follow each other too quickly for a look.
        let failed = std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(ms(3));
                server.terminate_backend(pid).unwrap();
            });
            let mut failed = 0;
            loop {
                let mut conn = pool.get().unwrap();
                if conn.backend_pid().unwrap() as i32 != pid {
                    return failed;
                }
                failed += u32::from(conn.query("select 1", &[]).is_err());
            }
        });
        assert!(failed <= 1, "round {round}: one ended session failed {failed} statements");
    }
}

/// Begins something that goes on over several calls, and leaks what would end it.
fn leak(conn: &mut holdfast::PooledConnection, what: &str) {
    let mut raw = conn.raw().unwrap();
    match what {
        "stream" => {
            let sql = "select generate_series(1, 100000000)";
            let mut stream = raw.stream(sql, &[], holdfast::session::ResultFormat::Text).unwrap();
            stream.next_portion(10).unwrap().expect("some rows");
            std::mem::forget(stream);
        }
        "copy in" => {
            let mut copy = raw.copy_in("copy leaked from stdin").unwrap();
            copy.write(b"1\n").unwrap();
            std::mem::forget(copy);
        }
        _ => {
            let sql = "copy (select generate_series(1, 100000000)) to stdout";
            let mut copy = raw.copy_out(sql).unwrap();
            copy.read().unwrap().expect("some data");
            std::mem::forget(copy);
        }
    }
}

const LEAKS: [&str; 3] = ["stream", "copy in", "copy out"];

#[test]
fn what_goes_on_over_several_calls_and_was_leaked_is_ended_and_the_connection_kept() {
    let pool = one("leaker");
    pool.batch_execute("create table if not exists leaked (n int)").unwrap();
    for before in ["", "begin"] {
        for what in LEAKS {
            let mut conn = pool.get().unwrap();
            conn.raw().unwrap().script(before).unwrap();
            leak(&mut conn, what);
            let start = Instant::now();
            drop(conn);
            assert!(start.elapsed() < ms(200), "{what}: the drop took {:?}", start.elapsed());
            assert_next_caller_is_undisturbed(&pool);
            assert_eq!(pool.stats().opens, 1, "{before} {what}");
        }
    }
    let rows: i64 = pool.query_one("select count(*) from leaked", &[]).unwrap().get(0);
    assert_eq!(rows, 0);
}

#[test]
fn on_a_frozen_server_what_was_leaked_costs_its_place_for_settle_timeout_and_its_caller_nothing() {
    let server = holdfast_testkit::embedded::EmbeddedPostgres::builder().start().unwrap();
    let config = config(&server, "frozen-leaker").max_size(3).settle_timeout(ms(400));
    let pool = Pool::new(config).unwrap();
    pool.batch_execute("create table leaked (n int)").unwrap();
    let mut conns = [pool.get().unwrap(), pool.get().unwrap(), pool.get().unwrap()];
    for (conn, what) in conns.iter_mut().zip(LEAKS) {
        leak(conn, what);
    }
    server.freeze().unwrap();
    let start = Instant::now();
    drop(conns);
    assert!(start.elapsed() < ms(200), "the drops took {:?}", start.elapsed());
    soon("their places are free", || pool.stats().total == 0);
    // Cleaning, and then seeing off, each for settle_timeout.
    assert!(start.elapsed() < ms(2_500), "took {:?}", start.elapsed());
    server.thaw().unwrap();
    pool.batch_execute("select 1").unwrap();
}
