//! Transactions that a program begins and ends by itself.

use std::time::Instant;

use fallible_iterator::FallibleIterator;
use holdfast::{ErrorKind, IsolationLevel, Pool};

use crate::support::proxy::Proxy;
use crate::support::{server, wait_until};
use crate::{config, ms, one, plain};

const BACKEND: &str = "select pg_backend_pid()";

#[test]
fn a_commit_of_a_failed_transaction_is_an_error() {
    let pool = one("failed_commit");
    let mut conn = pool.get().unwrap();
    conn.batch_execute("create temp table f (n int)").unwrap();
    let mut tx = conn.transaction().unwrap();
    tx.execute("insert into f values (1)", &[]).unwrap();
    tx.batch_execute("select 1/0").unwrap_err();
    let error = tx.commit().unwrap_err();
    assert_eq!((error.kind(), error.sqlstate()), (ErrorKind::Database, None), "{error}");
    assert!(error.to_string().contains("22012"), "{error}");
    assert_eq!(plain(&mut conn, "select count(*) from f").as_deref(), Some("0"));
}

#[test]
fn a_dropped_transaction_is_rolled_back_and_the_connection_goes_on() {
    let pool = one("dropped_tx");
    let mut conn = pool.get().unwrap();
    conn.batch_execute("create temp table d (n int)").unwrap();
    for _ in 0..3 {
        let mut tx = conn.transaction().unwrap();
        tx.execute("insert into d values (1)", &[]).unwrap();
        let mut inner = tx.savepoint("within").unwrap();
        inner.execute("insert into d values (2)", &[]).unwrap();
        drop(inner);
        assert_eq!(tx.query_one("select count(*) from d", &[]).unwrap().get::<_, i64>(0), 1);
    }
    assert_eq!(plain(&mut conn, "select count(*) from d").as_deref(), Some("0"));
    let pid = conn.backend_pid();
    conn.transaction().unwrap().execute("insert into d values (3)", &[]).unwrap();
    drop(conn);
    assert_eq!(pool.get().unwrap().backend_pid(), pid, "no request to cancel was in its way");
    assert_eq!(pool.stats().opens, 1);
}

#[test]
fn a_dropped_transaction_with_rows_half_read_is_rolled_back() {
    let pool = one("half_read_tx");
    let mut conn = pool.get().unwrap();
    conn.batch_execute("create temp table h (n int)").unwrap();
    let mut tx = conn.transaction().unwrap();
    tx.execute("insert into h values (1)", &[]).unwrap();
    let mut rows = tx.query_raw("select generate_series(1, 100000)", Vec::<&str>::new()).unwrap();
    rows.next().unwrap();
    drop(rows);
    drop(tx);
    assert_eq!(plain(&mut conn, "select count(*) from h").as_deref(), Some("0"));
    let mut tx = conn.transaction().unwrap();
    tx.batch_execute("create temp table copied (n int)").unwrap();
    let mut writer = tx.copy_in("copy copied from stdin").unwrap();
    std::io::Write::write_all(&mut writer, b"1\n").unwrap();
    drop(writer);
    drop(tx);
    assert_eq!(plain(&mut conn, "select to_regclass('copied')"), None);
}

#[test]
fn the_drop_of_a_transaction_on_a_frozen_server_waits_for_nothing() {
    let proxy = Proxy::before(server());
    let config = holdfast::PoolConfig::from_url(&proxy.url()).unwrap().max_size(1).settle_timeout(ms(300));
    let pool = Pool::new(config).unwrap();
    let mut conn = pool.get().unwrap();
    let mut tx = conn.transaction().unwrap();
    tx.query_one(BACKEND, &[]).unwrap();
    proxy.go_deaf();
    let start = Instant::now();
    drop(tx);
    drop(conn);
    assert!(start.elapsed() < ms(100), "took {:?}", start.elapsed());
    wait_until("its place is free again", ms(5000), || pool.stats().total == 0);
    proxy.hear_again();
    pool.query_one(BACKEND, &[]).unwrap();
}

#[test]
fn modes_are_those_that_were_built() {
    let mut conn = one("built").get().unwrap();
    for (level, name) in [
        (IsolationLevel::ReadUncommitted, "read uncommitted"),
        (IsolationLevel::ReadCommitted, "read committed"),
        (IsolationLevel::RepeatableRead, "repeatable read"),
        (IsolationLevel::Serializable, "serializable"),
    ] {
        let builder = conn.build_transaction().isolation_level(level).read_only(true).deferrable(true);
        let mut tx = builder.start().unwrap();
        let shown = tx.query_one("show transaction_isolation", &[]).unwrap();
        assert_eq!(shown.get::<_, &str>(0), name);
        let error = tx.batch_execute("create table never (n int)").unwrap_err();
        assert_eq!(error.code().unwrap().code(), "25006");
        tx.rollback().unwrap();
    }
}

#[test]
fn a_savepoint_undoes_a_failure_inside_it() {
    let mut conn = one("saved").get().unwrap();
    conn.batch_execute("create temp table s (n int primary key)").unwrap();
    let mut tx = conn.transaction().unwrap();
    tx.execute("insert into s values (1)", &[]).unwrap();
    let mut first = tx.transaction().unwrap();
    let error = first.execute("insert into s values (1)", &[]).unwrap_err();
    assert_eq!(error.as_db_error().unwrap().constraint(), Some("s_pkey"));
    first.rollback().unwrap();
    let mut second = tx.savepoint("\"a name\"").unwrap();
    let mut third = second.transaction().unwrap();
    third.execute("insert into s values (2)", &[]).unwrap();
    third.commit().unwrap();
    second.commit().unwrap();
    tx.commit().unwrap();
    assert_eq!(plain(&mut conn, "select string_agg(n::text, ',') from s").as_deref(), Some("1,2"));
}

#[test]
fn portals_give_rows_in_portions_and_end_with_their_transaction() {
    let pool = one("portals");
    let mut conn = pool.get().unwrap();
    let mut tx = conn.transaction().unwrap();
    let sql = "select n from generate_series(1, $1::int4) n";
    let (portal, other) = (tx.bind(sql, &[&5i32]).unwrap(), tx.bind(sql, &[&2i32]).unwrap());
    let mut numbers = |portal, most| -> Vec<i32> {
        tx.query_portal(portal, most).unwrap().iter().map(|row| row.get(0)).collect()
    };
    assert_eq!(numbers(&portal, 2), [1, 2]);
    assert_eq!(numbers(&other, 0), [1, 2]);
    assert_eq!(numbers(&portal, 2), [3, 4]);
    assert_eq!(numbers(&portal, 2), [5]);
    drop(other);
    let mut rows = tx.query_portal_raw(&portal, 10).unwrap();
    assert!(rows.next().unwrap().is_none());
    drop(rows);
    // The one that is left, and that of this very question.
    assert_eq!(tx.query_one("select count(*) from pg_cursors", &[]).unwrap().get::<_, i64>(0), 2);
    tx.commit().unwrap();
    let error = conn.transaction().unwrap().query_portal(&portal, 1).unwrap_err();
    assert_eq!(error.code().unwrap().code(), "34000");
}

#[test]
fn rows_of_a_portal_are_read_one_by_one_and_their_error_comes_where_it_belongs() {
    let pool = one("portal_rows");
    let mut conn = pool.get().unwrap();
    let mut tx = conn.transaction().unwrap();
    let portal = tx.bind("select n from generate_series(1, 100000) n", &[]).unwrap();
    let mut rows = tx.query_portal_raw(&portal, 2).unwrap();
    let mut next = || rows.next().unwrap().map(|row| row.get::<_, i32>(0));
    assert_eq!([next(), next(), next(), next()], [Some(1), Some(2), None, None]);
    assert_eq!(rows.rows_affected(), None, "the statement goes on");
    drop(rows);
    let mut rows = tx.query_portal_raw(&portal, 50_000).unwrap();
    assert_eq!(rows.next().unwrap().unwrap().get::<_, i32>(0), 3);
    drop(rows);
    let mut rest = tx.query_portal_raw(&portal, 0).unwrap();
    assert_eq!(rest.next().unwrap().unwrap().get::<_, i32>(0), 50_003, "a request is read as if to its end");
    assert_eq!(rest.by_ref().count().unwrap(), 49_997);
    assert_eq!(rest.rows_affected(), Some(49_998));
    drop(rest);
    let failing = tx.bind("select 100 / (60000 - n) from generate_series(1, 100000) n", &[]).unwrap();
    let mut rows = tx.query_portal_raw(&failing, 0).unwrap();
    assert_eq!(rows.next().unwrap().unwrap().get::<_, i32>(0), 0, "rows come before the error");
    assert_eq!(rows.count().unwrap_err().code().unwrap().code(), "22012");
    tx.rollback().unwrap();
    let mut tx = conn.transaction().unwrap();
    let mut rows = tx.query_portal_raw(&portal, 1).unwrap();
    assert_eq!(rows.next().unwrap_err().code().unwrap().code(), "34000", "its transaction is over");
}

#[test]
fn a_transaction_inside_one_begun_by_hand_is_refused() {
    let mut conn = one("by_hand").get().unwrap();
    conn.batch_execute("begin").unwrap();
    assert_eq!(conn.transaction().unwrap_err().kind(), ErrorKind::Misuse);
    conn.batch_execute("rollback").unwrap();
    conn.transaction().unwrap().commit().unwrap();
}

#[test]
fn a_commit_whose_answer_is_lost_is_unknown() {
    let proxy = Proxy::before(server());
    let pool =
        Pool::new(config(server(), "unknown").host("127.0.0.1").port(proxy.port()).max_size(1)).unwrap();
    let mut conn = pool.get().unwrap();
    let mut tx = conn.transaction().unwrap();
    tx.query_one(BACKEND, &[]).unwrap();
    proxy.after_bytes_from_server(0, crate::support::proxy::Then::Cut);
    let error = tx.commit().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CommitUnknown, "{error}");
}
