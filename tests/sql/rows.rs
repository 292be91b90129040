//! Rows, their columns, and how they are read.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::SystemTime;

use fallible_iterator::FallibleIterator;
use holdfast::types::{ToSql, Type};
use holdfast::{ErrorKind, SimpleQueryMessage};

use crate::support::own_process::alone;
use crate::{ms, one};

#[test]
fn values_are_read_by_number_and_by_name_in_either_case() {
    let mut conn = one("values").get().unwrap();
    let row = conn
        .query_one(
            "select $1::int4 as n, $2::text as \"Word\", null::int8 as nothing, $3::bytea as bytes, \
             $4::timestamptz as at, $5::float8[] as many",
            &[&7i32, &"seven", &&b"\0\xff"[..], &SystemTime::UNIX_EPOCH, &vec![1.5f64, -2.0]],
        )
        .unwrap();
    assert_eq!((row.len(), row.is_empty()), (6, false));
    assert_eq!((row.get::<_, i32>("n"), row.get::<_, &str>("word")), (7, "seven"));
    assert_eq!((row.get::<_, Option<i64>>(2), row.get::<_, &[u8]>("bytes")), (None, &b"\0\xff"[..]));
    assert_eq!(row.get::<_, SystemTime>(4), SystemTime::UNIX_EPOCH);
    assert_eq!(row.get::<_, Vec<f64>>("many"), [1.5, -2.0]);
}

#[test]
fn a_column_that_is_not_there_or_is_of_another_type_is_named() {
    let mut conn = one("wrong_columns").get().unwrap();
    let row = conn.query_one("select 7 as n, null::text as nothing", &[]).unwrap();
    for (error, words) in [
        (row.try_get::<_, i32>("m").unwrap_err(), "no column `m`"),
        (row.try_get::<_, i32>(2).unwrap_err(), "no column `2`"),
        (row.try_get::<_, &str>("n").unwrap_err(), "column `n` (type int4): cannot convert"),
        (row.try_get::<_, &str>("nothing").unwrap_err(), "column `nothing`"),
    ] {
        assert_eq!(error.kind(), ErrorKind::Misuse);
        assert!(error.to_string().contains(words), "{error}");
    }
    let panic = catch_unwind(AssertUnwindSafe(|| row.get::<_, &str>("n"))).unwrap_err();
    let said = panic.downcast_ref::<String>().expect("a message");
    assert!(said.contains("error retrieving column n") && said.contains("int4"), "{said}");
}

#[test]
fn columns_tell_their_table_type_and_modifier() {
    let mut conn = one("columns").get().unwrap();
    conn.batch_execute("create temp table wares (id int4, name varchar(20))").unwrap();
    let statement = conn.prepare("select name, id, 1::int8 from wares where id = $1").unwrap();
    assert_eq!(statement.params(), [Type::INT4]);
    let [name, id, number] = statement.columns() else { panic!("three columns") };
    assert_eq!((name.name(), name.type_(), name.type_modifier()), ("name", &Type::VARCHAR, 24));
    assert_eq!((name.column_id(), id.column_id()), (Some(2), Some(1)));
    assert!(name.table_oid().is_some() && name.table_oid() == id.table_oid());
    assert_eq!((number.table_oid(), number.column_id(), number.type_()), (None, None, &Type::INT8));
}

#[test]
fn rows_outlive_their_connection() {
    let pool = one("outlived");
    let rows = pool.query("select n, repeat('x', n) from generate_series(1, 1000) n", &[]).unwrap();
    drop(pool);
    let last = rows.last().unwrap().clone();
    drop(rows);
    assert_eq!((last.get::<_, i32>(0), last.get::<_, &str>(1).len()), (1000, 1000));
    assert_eq!(last.raw_size_bytes(), 1004);
}

#[test]
fn rows_can_be_read_one_by_one_while_more_are_made() {
    let mut conn = one("one_by_one").get().unwrap();
    conn.set_deadline(Some(ms(10_000)));
    let params: [&(dyn ToSql + Sync); 1] = [&3i32];
    // The fourth row takes longer than the statement may: what came before can be read until then.
    let sql = "select n, case when n > $1 then pg_sleep(60)::text end from generate_series(1, 4) n";
    conn.set_deadline(Some(ms(500)));
    let mut rows = conn.query_raw(sql, params).unwrap();
    let mut read = 0;
    let error = loop {
        match rows.next() {
            Ok(Some(row)) => read = row.get::<_, i32>(0),
            Ok(None) => panic!("the last row never comes"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::QueryTimeout, "{error}");
    assert!(read == 0 || read == 3, "{read}: the server gathers what is small");
}

#[test]
fn a_row_iterator_tells_how_many_rows_there_were() {
    let mut conn = one("counted").get().unwrap();
    conn.batch_execute("create temp table counted (n int4)").unwrap();
    let values = [1i32, 2, 3];
    let params = values.iter().map(|n| n as &(dyn ToSql + Sync)).collect::<Vec<_>>();
    let sql = "insert into counted values ($1), ($2), ($3) returning n";
    let mut rows = conn.query_raw(sql, params).unwrap();
    assert_eq!(rows.rows_affected(), None);
    let mut sum = 0;
    while let Some(row) = rows.next().unwrap() {
        sum += row.get::<_, i32>(0);
    }
    assert_eq!((sum, rows.rows_affected()), (6, Some(3)));
    drop(rows);
    let none: [&(dyn ToSql + Sync); 0] = [];
    assert_eq!(conn.execute_raw("delete from counted", none).unwrap(), 3);
}

#[test]
fn a_script_returns_what_each_of_its_statements_does() {
    let mut conn = one("scripted").get().unwrap();
    let messages =
        conn.simple_query("create temp table s (n int); insert into s values (1), (2); table s").unwrap();
    let told: Vec<String> = messages
        .iter()
        .map(|message| match message {
            SimpleQueryMessage::Row(row) => format!("row {:?} {:?}", row.get("n"), row.columns()[0].name()),
            SimpleQueryMessage::CommandComplete(rows) => format!("done {rows}"),
            SimpleQueryMessage::RowDescription(columns) => format!("columns {}", columns.len()),
            _ => "something else".into(),
        })
        .collect();
    let row = |n| format!("row Some(\"{n}\") \"n\"");
    assert_eq!(told, ["done 0", "done 2", "columns 1", &row(1), &row(2), "done 2"]);
    assert!(matches!(conn.simple_query("").unwrap()[..], [SimpleQueryMessage::CommandComplete(0)]));
}

#[test]
fn a_result_of_a_hundred_megabytes_leaves_nothing_with_the_connection() {
    let Some(url) = alone("rows::a_result_of_a_hundred_megabytes_leaves_nothing_with_the_connection") else {
        return;
    };
    let pool = holdfast::Pool::new(holdfast::PoolConfig::from_url(&url).unwrap().max_size(1)).unwrap();
    pool.query_one("select 1", &[]).unwrap();
    let before = resident_kib();
    let rows = pool.query("select repeat('x', 1000) from generate_series(1, 100000)", &[]).unwrap();
    assert_eq!(rows.len(), 100_000);
    drop(rows);
    let grown = resident_kib().saturating_sub(before);
    assert!(grown < 50_000, "{grown} KiB stay");
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("Linux tells it");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
}
