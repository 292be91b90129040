//! Types of the user's own that others alter while statements return values of them in portions.

use std::error::Error;

use fallible_iterator::FallibleIterator;
use holdfast::error::SqlState;
use holdfast::types::{FromSql, Kind, Type};
use holdfast::{Pool, PooledConnection, RowIter};

use crate::{one, plain};

/// A label of an enum, of those that the type is known to have.
#[derive(Debug, PartialEq)]
struct Label(String);

impl<'r> FromSql<'r> for Label {
    fn from_sql(type_: &Type, value: &'r [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        let label = std::str::from_utf8(value)?.to_owned();
        match type_.kind() {
            Kind::Enum(labels) if labels.contains(&label) => Ok(Self(label)),
            _ => Err(format!("{label} is no label of {:?}", type_.kind()).into()),
        }
    }

    fn accepts(type_: &Type) -> bool {
        matches!(type_.kind(), Kind::Enum(_))
    }
}

/// A pool of one whose connection has looked up an enum of its own.
fn with_enum(name: &str) -> Pool {
    let pool = one(name);
    let types = "drop schema if exists own cascade; create schema own; set search_path = own;
        create type mood as enum ('sad', 'happy'); create table ran (times int); insert into ran values (0)";
    pool.batch_execute(&types.replace("own", &format!("{name}_types"))).unwrap();
    pool.query_one("select 'sad'::mood", &[]).unwrap();
    pool
}

fn add_label(name: &str) {
    one("others").batch_execute(&format!("alter type {name}_types.mood add value 'hungry'")).unwrap();
}

/// Another session adds a label that the pool has not looked up, and the last row that `read` gets has it.
fn added_by_others(name: &str, read: impl Fn(&mut PooledConnection, &str) -> Vec<Label>) {
    let pool = with_enum(name);
    let mut conn = pool.get().unwrap();
    // The label is in the last row of many, behind what one portion holds. The text is prepared before the label is known.
    let text = "with run as (update ran set times = times + 1)
        select (case when n = 20000 then (enum_range(null::mood))[3] else 'sad' end)::mood, repeat('x', 100)
        from generate_series(1, 20000) n where n = 20000 or n % $1 = 0";
    conn.prepare(text).unwrap();
    add_label(name);
    let moods = read(&mut conn, text);
    assert_eq!((moods.len(), moods.last()), (20_000, Some(&Label("hungry".into()))), "{name}");
    assert!(moods[..19_999].iter().all(|mood| mood.0 == "sad"), "{name}");
    assert_eq!(plain(&mut conn, "select times from ran").as_deref(), Some("1"), "{name}: run once");
}

#[test]
fn an_altered_type_is_known_in_rows_that_are_read_one_by_one() {
    let all = |mut rows: RowIter<'_>| {
        let mut moods = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            moods.push(row.get(0));
        }
        assert_eq!(rows.rows_affected(), Some(20_000));
        moods
    };
    added_by_others("streamed", |conn, text| all(conn.query_raw(text, [1i32]).unwrap()));
    added_by_others("streamed_in_transaction", |conn, text| {
        let mut tx = conn.transaction().unwrap();
        let moods = all(tx.query_raw(text, [1i32]).unwrap());
        tx.commit().unwrap();
        moods
    });
    added_by_others("streamed_typed", |conn, text| {
        all(conn.query_typed_raw(text, [(1i32, Type::INT4)]).unwrap())
    });
}

#[test]
fn an_altered_type_is_known_in_the_rows_of_a_portal() {
    for one_by_one in [false, true] {
        added_by_others(if one_by_one { "portal_raw" } else { "portal" }, |conn, text| {
            let mut moods: Vec<Label> = Vec::new();
            let mut tx = conn.transaction().unwrap();
            // Without the update, since a portal of it would be held whole.
            tx.batch_execute("update ran set times = 1").unwrap();
            let text = &text[text.find("select").unwrap()..];
            let portal = tx.bind(text, &[&1i32]).unwrap();
            loop {
                let fetched: Vec<holdfast::Row> = if one_by_one {
                    tx.query_portal_raw(&portal, 7_000).unwrap().collect().unwrap()
                } else {
                    tx.query_portal(&portal, 7_000).unwrap()
                };
                moods.extend(fetched.iter().map(|row| row.get::<_, Label>(0)));
                if fetched.len() < 7_000 {
                    break;
                }
            }
            tx.commit().unwrap();
            moods
        });
    }
}

#[test]
fn the_error_behind_rows_of_an_altered_type_is_the_servers() {
    let pool = with_enum("altered_and_failing");
    let mut conn = pool.get().unwrap();
    let text = "select (enum_range(null::mood))[n], 1 / (n - 5) from generate_series($1::int, 5) n";
    conn.prepare(text).unwrap();
    add_label("altered_and_failing");
    let mut rows = conn.query_raw(text, [1i32]).unwrap();
    let failed = loop {
        match rows.next() {
            Ok(Some(row)) => drop(row.get::<_, Option<Label>>(0)),
            other => break other,
        }
    };
    assert_eq!(failed.map(drop).unwrap_err().code(), Some(&SqlState::DIVISION_BY_ZERO));
    assert!(rows.next().unwrap().is_none());
    drop(rows);
    assert_eq!(conn.query_one(text, &[&3i32]).unwrap_err().code().map(|c| c.code()), Some("22012"));
    let hungry: Label = conn.query_one("select 'hungry'::mood", &[]).unwrap().get(0);
    assert_eq!(hungry.0, "hungry");
}
