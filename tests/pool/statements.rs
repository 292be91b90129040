//! Statements through the pool: cached, surviving what invalidates them, or unnamed for poolers.

use holdfast::{ErrorKind, Pool};

use crate::{Observer, config, server};

fn one(name: &str, cache: u32) -> Pool {
    Pool::new(config(server(), name).max_size(1).statement_cache(cache)).unwrap()
}

fn prepared(pool: &Pool) -> i64 {
    let mut conn = pool.get().unwrap();
    // Simple protocol: this question prepares nothing itself.
    let answer = conn.simple_query("select count(*) from pg_prepared_statements").unwrap();
    answer
        .iter()
        .find_map(|m| match m {
            holdfast::SimpleQueryMessage::Row(row) => row.get(0).map(|n| n.parse().unwrap()),
            _ => None,
        })
        .expect("one row")
}

#[test]
fn a_text_is_prepared_once_per_connection() {
    let pool = one("cacher", 256);
    for n in 0..5i32 {
        assert_eq!(pool.query_one("select $1::int4 * 2", &[&n]).unwrap().get::<_, i32>(0), n * 2);
    }
    assert_eq!(prepared(&pool), 1);
    assert_eq!(pool.get().unwrap().cached_statements(), 1);
}

#[test]
fn the_least_recently_used_statement_makes_room() {
    let pool = one("small_cache", 2);
    for text in ["select 1", "select 2", "select 1", "select 3"] {
        pool.query(text, &[]).unwrap();
    }
    let mut conn = pool.get().unwrap();
    assert_eq!(conn.cached_statements(), 2);
    conn.batch_execute("select 0").unwrap();
    let left = conn.simple_query("select statement from pg_prepared_statements order by 1").unwrap();
    let texts: Vec<_> = left
        .iter()
        .filter_map(|m| match m {
            holdfast::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        })
        .collect();
    assert_eq!(texts, ["select 1", "select 3"]);
}

#[test]
fn a_changed_table_does_not_fail_a_cached_statement() {
    let pool = one("migrated", 256);
    pool.batch_execute("create table if not exists migrated (a int); insert into migrated values (1)")
        .unwrap();
    assert_eq!(pool.query_one("select * from migrated", &[]).unwrap().len(), 1);
    Observer::of(server()).0.batch_execute("alter table migrated add column b int default 5").unwrap();
    let row =
        pool.query_one("select * from migrated", &[]).expect("prepared anew without the caller noticing");
    assert_eq!(row.get::<_, i32>("b"), 5);
    Observer::of(server()).0.batch_execute("drop table migrated").unwrap();
}

#[test]
fn inside_a_transaction_a_stale_statement_is_reported_and_forgotten() {
    let pool = one("migrated_inside", 256);
    pool.batch_execute("create table if not exists migrated_inside (a int)").unwrap();
    let mut conn = pool.get().unwrap();
    conn.query("select * from migrated_inside", &[]).unwrap();
    conn.batch_execute("begin").unwrap();
    Observer::of(server()).0.batch_execute("alter table migrated_inside add column b int").unwrap();
    let error = conn.query("select * from migrated_inside", &[]).unwrap_err();
    assert_eq!(error.sqlstate().unwrap().code(), "0A000");
    conn.batch_execute("rollback").unwrap();
    conn.query("select * from migrated_inside", &[]).expect("the next try prepares anew");
    Observer::of(server()).0.batch_execute("drop table migrated_inside").unwrap();
}

#[test]
fn deallocated_statements_are_prepared_anew() {
    let pool = one("deallocated", 256);
    pool.query("select 41 + 1", &[]).unwrap();
    pool.batch_execute("deallocate all").unwrap();
    assert_eq!(pool.query_one("select 41 + 1", &[]).unwrap().get::<_, i32>(0), 42);
}

#[test]
fn without_a_cache_nothing_is_prepared_by_name() {
    let pool = one("unnamed", 0);
    let row = pool.query_one("select $1 + 1, $2 || '!', $3::bool", &[&41i32, &"hold", &true]).unwrap();
    assert_eq!((row.get::<_, i32>(0), row.get::<_, &str>(1), row.get::<_, bool>(2)), (42, "hold!", true));
    assert_eq!(pool.execute("select $1::text", &[&Option::<&str>::None]).unwrap(), 1);
    assert!(pool.query_opt("select 1 where $1", &[&false]).unwrap().is_none());
    assert_eq!(prepared(&pool), 0);
}

#[test]
fn query_one_and_query_opt_count_rows() {
    let pool = one("counter", 256);
    assert!(pool.query_opt("select 1 where false", &[]).unwrap().is_none());
    let none = pool.query_one("select 1 where false", &[]).unwrap_err();
    let many = pool.query_opt("select generate_series(1, 2)", &[]).unwrap_err();
    assert_eq!((none.kind(), many.kind()), (ErrorKind::Misuse, ErrorKind::Misuse));
    let wrong = pool.query("select $1::int4", &[&"text"]).unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::Misuse);
}

#[test]
fn an_error_of_the_server_keeps_its_code_and_words() {
    let pool = one("erring", 256);
    let error = pool.query("select 1 / $1::int4", &[&0i32]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Database);
    assert_eq!(error.sqlstate().unwrap().code(), "22012");
    assert_eq!(error.server_message(), Some("division by zero"));
    assert!(error.to_string().contains("22012"));
    assert!(!error.is_retryable());
    assert_eq!(pool.get().unwrap().last_sqlstate().as_deref(), Some("22012"));
}

#[test]
fn a_statement_that_ran_is_not_repeated_because_its_error_looks_stale() {
    let pool = one("once", 256);
    pool.batch_execute(
        "create table if not exists once (n int); truncate once;
         create or replace procedure run_once() language plpgsql as $$
         begin
             insert into once values (1);
             commit;
             raise exception 'prepared statement \"mine\" does not exist' using errcode = '26000';
         end $$",
    )
    .unwrap();
    let error = pool.execute("call run_once()", &[]).unwrap_err();
    assert_eq!(error.sqlstate().unwrap().code(), "26000");
    let runs: i64 = pool.query_one("select count(*) from once", &[]).unwrap().get(0);
    assert_eq!(runs, 1);
}
