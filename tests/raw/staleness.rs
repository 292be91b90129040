//! Statements that no longer fit what they were prepared for: healed without the caller noticing, by one rule everywhere.

use holdfast::session::{Param, PipelineMode, Request, ResultFormat, WireFormat};
use holdfast::{ErrorKind, Pool, PoolConfig, PooledConnection, Result};

use crate::support::server;
use crate::{one, text};

fn raw(conn: &mut PooledConnection, sql: &str) {
    conn.raw().unwrap().script(sql).unwrap();
}

fn names(conn: &mut PooledConnection) -> Vec<String> {
    let blocks =
        conn.raw().unwrap().script("select name from pg_prepared_statements order by prepare_time").unwrap();
    (0..blocks[0].rows())
        .map(|row| String::from_utf8_lossy(blocks[0].cell(row, 0).unwrap()).into_owned())
        .collect()
}

#[test]
fn a_name_is_the_same_on_every_connection_and_another_for_every_text() {
    let pool = one(server(), "names");
    let mut conn = pool.get().unwrap();
    text(&mut conn, "select 1", &[]).unwrap();
    text(&mut conn, "select 2", &[]).unwrap();
    let first = names(&mut conn);
    conn.discard();
    let mut conn = pool.get().unwrap();
    text(&mut conn, "select 2", &[]).unwrap();
    text(&mut conn, "select 1", &[]).unwrap();
    let second = names(&mut conn);
    assert_eq!(first.iter().rev().collect::<Vec<_>>(), second.iter().collect::<Vec<_>>());
    assert_ne!(first[0], first[1]);
}

#[test]
fn what_others_put_under_the_name_of_a_statement_is_never_run_in_its_place() {
    let pool = one(server(), "stolen");
    let mut conn = pool.get().unwrap();
    assert_eq!(text(&mut conn, "select 'mine'", &[]).unwrap().as_deref(), Some("mine"));
    let name = names(&mut conn).remove(0);
    raw(&mut conn, &format!("deallocate \"{name}\"; prepare \"{name}\" as select 'foreign'"));
    assert_eq!(text(&mut conn, "select 'mine'", &[]).unwrap().as_deref(), Some("mine"));
    conn.discard();
    let mut conn = pool.get().unwrap();
    raw(&mut conn, &format!("prepare \"{name}\" as select 'foreign'"));
    assert_eq!(
        text(&mut conn, "select 'mine'", &[]).unwrap().as_deref(),
        Some("mine"),
        "before it was known"
    );
    raw(&mut conn, &format!("deallocate all; prepare \"{name}\" as select 'foreign'"));
    let request = Request { sql: "select 'mine'".into(), params: &[], format: ResultFormat::Text };
    for mode in [PipelineMode::Separate, PipelineMode::Together] {
        for outcome in conn.raw().unwrap().pipeline(&[request; 3], mode).unwrap() {
            assert_eq!(outcome.unwrap().cell(0, 0), Some(&b"mine"[..]));
        }
        raw(&mut conn, "discard all");
        raw(&mut conn, &format!("prepare \"{name}\" as select 'foreign'"));
    }
}

#[test]
fn what_a_borrower_put_under_a_name_does_not_fool_the_next_one() {
    let pool = one(server(), "fooled");
    let select = "select 'mine'::text";
    let ask = |pool: &Pool| pool.query_one(select, &[]).unwrap().get::<_, String>(0);
    assert_eq!(ask(&pool), "mine");
    let name = names(&mut pool.get().unwrap()).remove(0);
    let removals = [
        format!("deallocate \"{name}\""),
        format!("deallocate prepare \"{name}\""),
        "deallocate all".to_owned(),
        "discard all".to_owned(),
    ];
    let steal = format!("prepare \"{name}\" as select 'foreign'::text");
    for removal in &removals {
        let mut conn = pool.get().unwrap();
        raw(&mut conn, removal);
        raw(&mut conn, &steal);
        drop(conn);
        assert_eq!(ask(&pool), "mine", "after {removal}");
        let mut conn = pool.get().unwrap();
        conn.execute(removal, &[]).unwrap();
        conn.execute(&steal, &[]).unwrap();
        drop(conn);
        assert_eq!(ask(&pool), "mine", "after {removal} in the extended protocol");
    }
    assert_eq!(pool.stats().opens, 1, "on one connection");
}

#[test]
fn statements_heal_whatever_changed_below_them() {
    let pool = one(server(), "healing");
    let mut conn = pool.get().unwrap();
    raw(
        &mut conn,
        "drop schema if exists heal_a, heal_b cascade; create schema heal_a; create schema heal_b;
         create table heal_a.t (id int, v text); insert into heal_a.t values (1, 'a');
         create table heal_b.t (id int, v text); insert into heal_b.t values (1, 'b');",
    );
    raw(&mut conn, "set search_path = heal_a");
    let ask = |conn: &mut PooledConnection| text(conn, "select v from t where id = $1", &[Param::text("1")]);
    assert_eq!(ask(&mut conn).unwrap().as_deref(), Some("a"));
    for (change, value) in [
        ("set search_path = heal_b", "b"),
        ("set search_path = heal_a", "a"),
        ("deallocate all", "a"),
        ("alter table heal_a.t alter column id type text", "a"),
        ("alter table heal_a.t alter column v type varchar(9)", "a"),
        ("alter table heal_a.t alter column id type int using id::int", "a"),
        (
            "drop table heal_a.t; create table heal_a.t (v text, id int); insert into heal_a.t values ('new', 1)",
            "new",
        ),
        ("do $$ begin execute 'deallocate all'; end $$", "new"),
    ] {
        raw(&mut conn, change);
        assert_eq!(ask(&mut conn).unwrap().as_deref(), Some(value), "after {change}");
        assert_eq!(ask(&mut conn).unwrap().as_deref(), Some(value), "and again after {change}");
    }
    raw(&mut conn, "discard all");
    let sql = "select v from heal_a.t where id = $1";
    assert_eq!(text(&mut conn, sql, &[Param::text("1")]).unwrap().as_deref(), Some("new"));
    raw(&mut conn, "drop schema heal_a, heal_b cascade");
}

#[test]
fn a_type_that_was_dropped_and_made_anew_is_found_again() {
    let pool = one(server(), "retyped");
    let mut conn = pool.get().unwrap();
    let make = "drop type if exists retyped; create type retyped as enum ('x')";
    raw(&mut conn, make);
    let ask = |conn: &mut PooledConnection| text(conn, "select $1::retyped", &[Param::text("x")]);
    assert_eq!(ask(&mut conn).unwrap().as_deref(), Some("x"));
    raw(&mut conn, make);
    assert_eq!(ask(&mut conn).unwrap().as_deref(), Some("x"));
    raw(&mut conn, "drop type retyped");
    assert_eq!(ask(&mut conn).unwrap_err().sqlstate().unwrap().code(), "42704", "what is wrong stays so");
}

#[test]
fn values_that_were_none_of_the_old_type_are_accepted_with_the_second_call_at_the_latest() {
    let pool = one(server(), "suspect");
    let mut conn = pool.get().unwrap();
    raw(&mut conn, "create temp table suspect (id int)");
    let sql = "select count(*) from suspect where id = $1";
    text(&mut conn, sql, &[Param::text("1")]).unwrap();
    raw(&mut conn, "alter table suspect alter column id type text");
    let _ = text(&mut conn, sql, &[Param::text("abc")]);
    assert_eq!(text(&mut conn, sql, &[Param::text("abc")]).unwrap().as_deref(), Some("0"));
}

#[test]
fn in_a_transaction_the_error_of_a_stale_statement_is_retryable_and_says_so() {
    let pool = one(server(), "stale_body");
    let table = "drop table if exists stale_body; create table stale_body (a int)";
    pool.get().unwrap().raw().unwrap().script(table).unwrap();
    let ask = |conn: &mut PooledConnection| -> Result<usize> {
        Ok(conn.raw()?.query("select * from stale_body", &[], ResultFormat::Text)?.columns().len())
    };
    let mut conn = pool.get().unwrap();
    assert_eq!(ask(&mut conn).unwrap(), 1);
    raw(&mut conn, "alter table stale_body add column b int");
    raw(&mut conn, "begin");
    let error = ask(&mut conn).unwrap_err();
    assert!(error.is_retryable() && error.kind() == ErrorKind::Database, "{error}");
    assert!(error.to_string().contains("run it again"), "{error}");
    raw(&mut conn, "rollback");
    assert_eq!(ask(&mut conn).unwrap(), 2);
    raw(&mut conn, "drop table stale_body");
}

#[test]
fn a_pipeline_of_which_nothing_was_begun_is_run_again_and_one_in_the_middle_is_retryable() {
    let pool = one(server(), "stale_pipeline");
    let mut conn = pool.get().unwrap();
    raw(&mut conn, "create temp table piped (n int)");
    let request = |sql: &'static str| Request { sql: sql.into(), params: &[], format: ResultFormat::Text };
    for (mode, column) in [(PipelineMode::Separate, "x"), (PipelineMode::Together, "y")] {
        let all = ["select * from piped", "select n from piped", "select * from piped"].map(request);
        let run = |conn: &mut PooledConnection| conn.raw().unwrap().pipeline(&all, mode).unwrap();
        run(&mut conn);
        raw(
            &mut conn,
            &format!("alter table piped add column {column} int; alter table piped alter n type text"),
        );
        for outcome in run(&mut conn) {
            outcome.unwrap_or_else(|e| panic!("{mode:?}: {e}"));
        }
        raw(&mut conn, "alter table piped alter n type int using n::int");
    }
    let texts = ["select * from piped", "select 1", "select * from piped"].map(request);
    conn.raw().unwrap().pipeline(&texts, PipelineMode::Separate).unwrap();
    raw(&mut conn, "alter table piped add column m int");
    let outcomes = conn.raw().unwrap().pipeline(&texts, PipelineMode::Separate).unwrap();
    assert!(outcomes[0].as_ref().unwrap_err().is_retryable(), "it would come behind the others");
    assert_eq!(outcomes[2].as_ref().unwrap().columns().len(), 4, "nothing came behind it");
    raw(&mut conn, "alter table piped add column k int");
    let outcomes = conn.raw().unwrap().pipeline(&texts, PipelineMode::Together).unwrap();
    assert_eq!(outcomes[2].as_ref().unwrap().columns().len(), 5);
}

/// With `statement_cache=0` descriptions are kept on this side only: types are known the second time, and results are read
/// as they come, whatever changed.
#[test]
fn without_names_types_are_learnt_once_and_a_changed_table_shows_at_once() {
    let config = PoolConfig::from_url(&server().url()).unwrap().max_size(1).statement_cache(0);
    let pool = Pool::new(config.application_name("unnamed")).unwrap();
    let mut conn = pool.get().unwrap();
    raw(&mut conn, "create temp table unnamed (n int); insert into unnamed values (7)");
    let formats = |conn: &mut PooledConnection| {
        let block = conn.raw().unwrap().query("select * from unnamed", &[], ResultFormat::Automatic).unwrap();
        assert_eq!(block.text(0, 0).as_deref(), Some("7"));
        block.columns().iter().map(|c| (c.type_oid, c.format)).collect::<Vec<_>>()
    };
    assert_eq!(formats(&mut conn), [(23, WireFormat::Text)]);
    assert_eq!(formats(&mut conn), [(23, WireFormat::Binary)]);
    raw(&mut conn, "alter table unnamed alter column n type text");
    assert_eq!(formats(&mut conn), [(25, WireFormat::Binary)], "as it was asked for, and of its new type");
    assert_eq!(formats(&mut conn)[0].0, 25);
    raw(&mut conn, "begin; alter table unnamed alter column n type int using n::int");
    assert_eq!(formats(&mut conn)[0].0, 23, "inside a transaction too");
    raw(&mut conn, "commit");
    let statement = conn.raw().unwrap().prepare("select n from unnamed where n = $1", &[]).unwrap();
    for _ in 0..2 {
        let params = [Param::text("7")];
        let mut raw = conn.raw().unwrap();
        let mut stream = raw.stream(&statement, &params, ResultFormat::Automatic).unwrap();
        assert_eq!(stream.columns()[0].format, WireFormat::Binary);
        assert_eq!(stream.next_portion(10).unwrap().unwrap().rows(), 1);
        drop(stream);
        let request = Request { sql: (&statement).into(), params: &params, format: ResultFormat::Automatic };
        for mode in [PipelineMode::Separate, PipelineMode::Together] {
            for outcome in raw.pipeline(&[request; 2], mode).unwrap() {
                assert_eq!(outcome.unwrap().text(0, 0).as_deref(), Some("7"));
            }
        }
    }
    assert!(names(&mut conn).is_empty());
}
