//! Values, columns and tags, in every format.

use holdfast::ErrorKind;
use holdfast::SimpleQueryMessage;
use holdfast::session::{Param, ResultFormat, WireFormat};

use crate::support::server;
use crate::{one, text};

/// One expression of many types, with values at the edges.
const EXPRESSIONS: [&str; 34] = [
    "true",
    "false",
    "(-32768)::int2",
    "2147483647::int4",
    "(-9223372036854775808)::int8",
    "1.5::float4",
    "0.1::float8",
    "'NaN'::float8",
    "'-Infinity'::float4",
    "123456789012345678901234567890.123456789::numeric",
    "'NaN'::numeric",
    "''::text",
    "'naïve — ☃'::varchar(20)",
    "'x'::\"char\"",
    "'\\xdeadbeef00'::bytea",
    "'2026-02-28'::date",
    "'infinity'::date",
    "'0001-01-01 00:00:00 BC'::timestamp",
    "'2026-11-23 12:00:00.123456+02'::timestamptz",
    "'12:34:56.789'::time",
    "'1 year 2 mons -3 days 04:05:06'::interval",
    "'6f2d1a3e-0000-4000-8000-0123456789ab'::uuid",
    "'{\"a\": [1, null]}'::jsonb",
    "'192.168.0.0/16'::cidr",
    "'08:00:2b:01:02:03'::macaddr",
    "'{1,NULL,3}'::int4[]",
    "'[1,10)'::int4range",
    "'(1,2)'::point",
    "B'10101'",
    "row(1, 'two')",
    "NULL::int4",
    "'pg_class'::regclass",
    "99.95::money",
    "array_fill(7, array[2,2])",
];

#[test]
fn text_reads_exactly_as_the_server_prints_it() {
    let pool = one(server(), "printer");
    let mut conn = pool.get().unwrap();
    for expression in EXPRESSIONS {
        let sql = format!("select {expression}");
        let printed = conn.simple_query(&sql).unwrap().into_iter().find_map(|m| match m {
            SimpleQueryMessage::Row(row) => Some(row.get(0).map(str::to_owned)),
            _ => None,
        });
        assert_eq!(Some(text(&mut conn, &sql, &[]).unwrap()), printed, "{expression}");
    }
}

#[test]
fn automatic_is_binary_for_settled_types_and_text_for_the_rest() {
    let pool = one(server(), "automatic");
    let mut conn = pool.get().unwrap();
    let sql = "select 7::int4, true, '\\x0102'::bytea, 1.50::numeric, 'text', null::int8";
    let block = conn.raw().unwrap().query(sql, &[], ResultFormat::Automatic).unwrap();
    let formats: Vec<_> = block.columns().iter().map(|c| c.format).collect();
    use WireFormat::{Binary, Text};
    assert_eq!(formats, [Binary, Binary, Binary, Text, Text, Binary]);
    let cells: Vec<_> = (0..6).map(|column| block.cell(0, column)).collect();
    assert_eq!(
        cells,
        [Some(&[0, 0, 0, 7][..]), Some(&[1]), Some(&[1, 2]), Some(b"1.50"), Some(b"text"), None]
    );
}

#[test]
fn columns_are_fully_described() {
    let pool = one(server(), "describer");
    pool.batch_execute("create table if not exists described (id int primary key, label varchar(20))")
        .unwrap();
    let mut conn = pool.get().unwrap();
    let block = conn
        .raw()
        .unwrap()
        .query("select label, id + 1 as next from described", &[], ResultFormat::Text)
        .unwrap();
    let [label, next] = block.columns() else { panic!("two columns") };
    assert_eq!((label.name.as_str(), label.type_oid, label.column_number), ("label", 1043, 2));
    assert_eq!((label.type_modifier, label.type_size), (24, -1));
    assert!(label.table_oid > 0);
    assert_eq!((next.name.as_str(), next.type_oid, next.table_oid, next.type_size), ("next", 23, 0, 4));
    assert_eq!(block.rows(), 0);
}

#[test]
fn parameters_travel_as_text_binary_and_null() {
    let pool = one(server(), "params");
    let mut conn = pool.get().unwrap();
    let binary = 41i32.to_be_bytes();
    let params = [
        Param { value: Some(&binary), format: WireFormat::Binary, type_oid: 23 },
        Param::text("1"),
        Param { value: None, format: WireFormat::Text, type_oid: 25 },
    ];
    let sum = text(&mut conn, "select ($1 + $2::int4)::text || coalesce($3, '!')", &params).unwrap();
    assert_eq!(sum.as_deref(), Some("42!"));
    let error = text(&mut conn, "select $1::int4", &[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misuse);
    assert!(error.to_string().contains("1 parameter, but 0 were"), "{error}");
    let error = text(&mut conn, "select $1::int4", &[Param::text("seven")]).unwrap_err();
    assert_eq!(error.sqlstate().unwrap().code(), "22P02");
    assert_eq!(text(&mut conn, "select 1", &[]).unwrap().as_deref(), Some("1"), "the connection lives on");
}

#[test]
fn command_tags_tell_what_was_done() {
    let pool = one(server(), "tags");
    let mut conn = pool.get().unwrap();
    conn.batch_execute("create temp table tagged (n int)").unwrap();
    let mut raw = conn.raw().unwrap();
    for (sql, tag, rows) in [
        ("insert into tagged select generate_series(1, 5)", "INSERT 0 5", Some(5)),
        ("update tagged set n = n where n > 3", "UPDATE 2", Some(2)),
        ("select * from tagged", "SELECT 5", Some(5)),
        ("set work_mem = '5MB'", "SET", None),
        ("", "", None),
    ] {
        let block = raw.query(sql, &[], ResultFormat::Text).unwrap();
        assert_eq!((block.command_tag(), block.rows_affected()), (tag, rows), "{sql}");
    }
}

#[test]
fn a_script_yields_a_block_for_each_statement_and_ends_at_the_first_error() {
    let pool = one(server(), "script");
    let mut conn = pool.get().unwrap();
    let mut raw = conn.raw().unwrap();
    let blocks = raw
        .script("create temp table s (n int); insert into s values (1), (2); select n, 'x' from s")
        .unwrap();
    let tags: Vec<_> = blocks.iter().map(|b| b.command_tag()).collect();
    assert_eq!(tags, ["CREATE TABLE", "INSERT 0 2", "SELECT 2"]);
    assert_eq!((blocks[2].rows(), blocks[2].cell(1, 0)), (2, Some(&b"2"[..])));
    let error = raw.script("select 1; select 1/0; insert into s values (3)").unwrap_err();
    assert_eq!(error.sqlstate().unwrap().code(), "22012");
    let count = raw.query("select count(*) from s", &[], ResultFormat::Text).unwrap();
    assert_eq!(count.cell(0, 0), Some(&b"2"[..]));
}

#[test]
fn every_field_of_an_error_is_kept() {
    let pool = one(server(), "fields");
    let mut conn = pool.get().unwrap();
    conn.batch_execute("create temp table fielded (n int constraint positive check (n > 0))").unwrap();
    let error = text(&mut conn, "insert into fielded values (-1)", &[]).unwrap_err();
    let server = error.server().unwrap();
    assert_eq!((server.severity.as_str(), server.sqlstate.code()), ("ERROR", "23514"));
    assert_eq!(server.constraint.as_deref(), Some("positive"));
    assert_eq!(server.table.as_deref(), Some("fielded"));
    assert!(server.detail.as_deref().unwrap().contains("-1"));
    assert!(server.file.is_some() && server.line.is_some() && server.routine.is_some());
    let error = text(&mut conn, "select nowhere", &[]).unwrap_err();
    assert_eq!(error.server().unwrap().position.as_deref(), Some("8"));
}

#[test]
fn without_a_statement_cache_nothing_is_left_on_the_server() {
    let config = holdfast::PoolConfig::from_url(&server().url()).unwrap().max_size(1).statement_cache(0);
    let pool = holdfast::Pool::new(config).unwrap();
    let mut conn = pool.get().unwrap();
    for n in 0..3 {
        let value = n.to_string();
        let sum = text(&mut conn, "select $1::int4 + 1", &[Param::text(&value)]).unwrap();
        assert_eq!(sum, Some((n + 1).to_string()));
    }
    let block = conn.raw().unwrap().query("select 1::int4", &[], ResultFormat::Binary).unwrap();
    assert_eq!(block.cell(0, 0), Some(&[0, 0, 0, 1][..]));
    let left = conn.raw().unwrap().script("select count(*) from pg_prepared_statements").unwrap();
    assert_eq!(left[0].cell(0, 0), Some(&b"0"[..]));
}

#[test]
fn a_changed_table_does_not_fail_a_cached_statement() {
    let pool = one(server(), "raw_migrated");
    pool.batch_execute("create table if not exists raw_migrated (a int)").unwrap();
    let mut conn = pool.get().unwrap();
    let sql = "select * from raw_migrated";
    assert_eq!(conn.raw().unwrap().query(sql, &[], ResultFormat::Automatic).unwrap().columns().len(), 1);
    conn.batch_execute("alter table raw_migrated add column b text").unwrap();
    assert_eq!(conn.raw().unwrap().query(sql, &[], ResultFormat::Automatic).unwrap().columns().len(), 2);
    conn.batch_execute("deallocate all").unwrap();
    conn.raw().unwrap().query(sql, &[], ResultFormat::Text).expect("prepared anew");
    conn.batch_execute("drop table raw_migrated").unwrap();
}
