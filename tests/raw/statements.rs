//! Statements prepared once, and run on whichever connection there is.

use holdfast::session::{Param, ResultFormat, Statement};
use holdfast::{ErrorKind, Pool, PoolConfig, PooledConnection, Result};

use crate::one;
use crate::support::server;

fn pool(size: u32, statement_cache: u32, name: &str) -> Pool {
    let config = PoolConfig::from_url(&server().url()).unwrap();
    Pool::new(config.max_size(size).statement_cache(statement_cache).application_name(name)).unwrap()
}

/// The first value of what a statement returns, as text.
fn run(conn: &mut PooledConnection, statement: &Statement, params: &[Param<'_>]) -> Result<String> {
    let block = conn.raw()?.query(statement, params, ResultFormat::Text)?;
    Ok(String::from_utf8_lossy(block.cell(0, 0).unwrap()).into_owned())
}

/// Text and parameter types of what the raw session has prepared on this connection.
fn prepared(conn: &mut PooledConnection) -> Vec<(String, String)> {
    let sql = "select statement, parameter_types::text from pg_prepared_statements order by prepare_time";
    let blocks = conn.raw().unwrap().script(sql).unwrap();
    let cell = |row, column| String::from_utf8_lossy(blocks[0].cell(row, column).unwrap()).into_owned();
    (0..blocks[0].rows()).map(|row| (cell(row, 0), cell(row, 1))).collect()
}

#[test]
fn a_statement_is_described_and_runs_on_any_connection_with_the_types_it_was_prepared_with() {
    let pool = pool(2, 10, "anywhere");
    let (mut first, mut second) = (pool.get().unwrap(), pool.get().unwrap());
    let text = "select $1 + 1 as next, $2::text as word";
    let statement = first.raw().unwrap().prepare(text, &[20]).unwrap();
    assert_eq!((statement.text(), statement.parameters()), (text, &[20, 25][..]));
    let columns: Vec<_> = statement.columns().iter().map(|c| (c.name.as_str(), c.type_oid)).collect();
    assert_eq!(columns, [("next", 20), ("word", 25)]);
    for conn in [&mut first, &mut second] {
        for _ in 0..3 {
            let params = [Param::text("41"), Param { type_oid: 25, ..Param::text("x") }];
            assert_eq!(run(conn, &statement, &params).unwrap(), "42");
        }
        assert_eq!(prepared(conn), [(text.to_owned(), "{bigint,text}".to_owned())]);
    }
    drop((first, second, pool));
    assert_eq!(statement.clone().text(), text, "it is bound to nothing");
}

#[test]
fn parameters_that_are_not_those_of_the_statement_are_refused() {
    let pool = one(server(), "typed");
    let mut conn = pool.get().unwrap();
    let statement = conn.raw().unwrap().prepare("select $1::int4 + $2::int4", &[]).unwrap();
    let wrong = [Param::text("1"), Param { type_oid: 25, ..Param::text("2") }];
    for (params, said) in
        [(&wrong[..], "$2 of the statement is of type 23"), (&wrong[..1], "2 parameters, but 1 was")]
    {
        let error = run(&mut conn, &statement, params).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misuse);
        assert!(error.to_string().contains(said), "{error}");
    }
    assert_eq!(
        conn.raw().unwrap().prepare("select nowhere", &[]).unwrap_err().sqlstate().unwrap().code(),
        "42703"
    );
    assert_eq!(run(&mut conn, &statement, &[Param::text("1"), Param::text("2")]).unwrap(), "3");
}

#[test]
fn a_statement_outlives_changed_tables_lost_names_and_lost_connections() {
    let pool = one(server(), "survivor");
    let mut conn = pool.get().unwrap();
    conn.batch_execute(
        "drop table if exists survived; create table survived (a int); insert into survived values (1)",
    )
    .unwrap();
    let statement = conn.raw().unwrap().prepare("select * from survived", &[]).unwrap();
    let columns = |conn: &mut PooledConnection| {
        let block = conn.raw().unwrap().query(&statement, &[], ResultFormat::Automatic).unwrap();
        block.columns().len()
    };
    assert_eq!(columns(&mut conn), 1);
    conn.batch_execute("alter table survived add column b text").unwrap();
    assert_eq!(columns(&mut conn), 2, "results describe themselves");
    assert_eq!(statement.columns().len(), 1);
    conn.batch_execute("alter table survived add column c text").unwrap();
    let mut raw = conn.raw().unwrap();
    let mut stream = raw.stream(&statement, &[], ResultFormat::Text).unwrap();
    assert_eq!(stream.next_portion(10).unwrap().unwrap().columns().len(), 3, "in a stream too");
    drop(stream);
    conn.batch_execute("deallocate all").unwrap();
    assert_eq!(columns(&mut conn), 3);
    conn.discard();
    let mut conn = pool.get().unwrap();
    assert_eq!(columns(&mut conn), 3);
    conn.batch_execute("drop table survived").unwrap();
}

#[test]
fn inside_a_transaction_a_stale_statement_fails_and_is_fit_again_after_it() {
    let pool = one(server(), "stale_inside");
    let mut conn = pool.get().unwrap();
    conn.batch_execute("create temp table stale_inside (a int)").unwrap();
    let statement = conn.raw().unwrap().prepare("select * from stale_inside", &[]).unwrap();
    let mut raw = conn.raw().unwrap();
    raw.query(&statement, &[], ResultFormat::Text).unwrap();
    raw.script("alter table stale_inside add column b int").unwrap();
    raw.script("begin").unwrap();
    let error = raw.query(&statement, &[], ResultFormat::Text).unwrap_err();
    assert_eq!(error.sqlstate().unwrap().code(), "0A000", "{error}");
    raw.script("rollback").unwrap();
    assert_eq!(raw.query(&statement, &[], ResultFormat::Text).unwrap().columns().len(), 2);
}

#[test]
fn without_a_cache_a_statement_is_sent_unnamed() {
    let pool = pool(1, 0, "uncached_statement");
    let mut conn = pool.get().unwrap();
    let statement = conn.raw().unwrap().prepare("select $1 * 2", &[23]).unwrap();
    for n in 1..4 {
        let value = n.to_string();
        assert_eq!(run(&mut conn, &statement, &[Param::text(&value)]).unwrap(), (2 * n).to_string());
    }
    assert_eq!(prepared(&mut conn), []);
}

#[test]
fn a_cache_of_one_serves_statements_streams_and_texts_in_turn() {
    let pool = pool(1, 1, "cache_of_one");
    let mut conn = pool.get().unwrap();
    let statement = conn.raw().unwrap().prepare("select $1::int4", &[]).unwrap();
    for n in 0..3 {
        let value = n.to_string();
        assert_eq!(run(&mut conn, &statement, &[Param::text(&value)]).unwrap(), value);
        let mut raw = conn.raw().unwrap();
        raw.query("select 'in between'", &[], ResultFormat::Text).unwrap();
        // What the stream pushes out is closed with the stream's own request.
        let mut stream = raw.stream("select generate_series(1, 3)", &[], ResultFormat::Text).unwrap();
        assert_eq!(stream.next_portion(10).unwrap().unwrap().rows(), 3);
    }
    assert_eq!(prepared(&mut conn).len(), 1);
}
