//! The books of a small library, as a program written for `postgres` 0.19 keeps them. What it does is written down and returned.

use std::fmt::Write as _;
use std::io::{BufRead, Write as _};
use std::time::Duration;

use super::Connection;
use super::library::error::SqlState;
use super::library::fallible_iterator::FallibleIterator;
use super::library::types::{FromSql, Kind, ToSql, Type};
use super::library::{Error, GenericClient, IsolationLevel, Row, SimpleQueryMessage, Statement, Transaction};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

#[derive(Debug, Clone, PartialEq, ToSql, FromSql)]
#[postgres(name = "genre", rename_all = "lowercase")]
enum Genre {
    Novel,
    Science,
    Poetry,
}

struct Book {
    id: i32,
    title: String,
    year: Option<i16>,
    genre: Genre,
    tags: Vec<String>,
}

impl From<&Row> for Book {
    fn from(row: &Row) -> Self {
        Self {
            id: row.get("id"),
            title: row.get("title"),
            year: row.get("year"),
            genre: row.get("genre"),
            tags: row.get("tags"),
        }
    }
}

pub fn run(conn: &mut Connection) -> Outcome<String> {
    let mut said = String::new();
    set_up(conn)?;
    add_books(conn, &mut said)?;
    look_around(conn, &mut said)?;
    describe(conn, &mut said)?;
    lend(conn, &mut said)?;
    fail(conn, &mut said)?;
    change_in_transactions(conn, &mut said)?;
    read_in_portions(conn, &mut said)?;
    copy(conn, &mut said)?;
    script(conn, &mut said)?;
    listen(conn, &mut said)?;
    cancel(conn, &mut said)?;
    conn.is_valid(Duration::from_secs(5))?;
    writeln!(said, "closed: {}", conn.is_closed())?;
    Ok(said)
}

fn set_up(conn: &mut Connection) -> Result<(), Error> {
    conn.batch_execute(
        "create type genre as enum ('novel', 'science', 'poetry');
         create table book (
             id serial primary key, title text not null constraint titled check (title <> ''),
             year int2, genre genre not null, tags text[] not null default '{}');
         create table loan (book int4 primary key references book, reader text not null, days int4 not null)",
    )
}

/// One statement, run for each book.
fn add_books(conn: &mut Connection, said: &mut String) -> Outcome<()> {
    let books: [(&str, Option<i16>, Genre, &[&str]); 4] = [
        ("Middlemarch", Some(1871), Genre::Novel, &["english", "long"]),
        ("On Growth and Form", Some(1917), Genre::Science, &["english"]),
        ("Duino Elegies", Some(1923), Genre::Poetry, &["german"]),
        ("Fragments", None, Genre::Poetry, &[]),
    ];
    let insert = "insert into book (title, year, genre, tags) values ($1, $2, $3, $4) returning id";
    let statement = conn.prepare(insert)?;
    for (title, year, genre, tags) in &books {
        let row = conn.query_one(&statement, &[title, year, genre, tags])?;
        writeln!(said, "added {title} as {}", row.get::<_, i32>(0))?;
    }
    let changed =
        conn.execute("update book set tags = tags || $1::text where year < $2", &[&"old", &1900i16])?;
    writeln!(said, "tagged {changed}")?;
    Ok(())
}

fn look_around(conn: &mut Connection, said: &mut String) -> Outcome<()> {
    for row in &conn.query("select * from book order by id", &[])? {
        let Book { id, title, year, genre, tags } = Book::from(row);
        writeln!(said, "{id}: {title} {year:?} {genre:?} {tags:?}")?;
    }
    let by_title = "select * from book where title = $1";
    for title in ["Fragments", "Ulysses"] {
        let found = conn.query_opt(by_title, &[&title])?.map(|row| Book::from(&row).id);
        writeln!(said, "{title}: {found:?}")?;
    }
    let typed = conn.query_typed("select count(*) from book where year > $1", &[(&1900i16, Type::INT2)])?;
    writeln!(said, "since 1900: {}", typed[0].get::<_, i64>("count"))?;
    let genres: Vec<&(dyn ToSql + Sync)> = vec![&Genre::Poetry];
    let mut rows = conn.query_raw("select title from book where genre = $1 order by 1", genres)?;
    while let Some(row) = rows.next()? {
        writeln!(said, "poetry: {}", row.get::<_, &str>("TITLE"))?;
    }
    drop(rows);
    let wrong = conn.query_one("select 'text'", &[])?;
    writeln!(said, "a number: {}", wrong.try_get::<_, i32>(0).is_ok())?;
    writeln!(said, "no column: {}", wrong.try_get::<_, &str>("nothing").is_ok())?;
    Ok(())
}

fn describe(conn: &mut Connection, said: &mut String) -> Outcome<()> {
    let statement: Statement =
        conn.prepare_typed("select title, genre, $1 from book where genre = $2", &[Type::INT8])?;
    let [number, genre] = statement.params() else { return Err("two parameters".into()) };
    let Kind::Enum(labels) = genre.kind() else { return Err("an enum".into()) };
    writeln!(said, "takes {number} and {genre} in {}: {labels:?}", genre.schema())?;
    for column in statement.columns() {
        writeln!(said, "returns {} as {}, of a table: {}", column.name(), column.type_(), {
            column.table_oid().is_some()
        })?;
    }
    Ok(())
}

/// Works on a connection and within a transaction.
fn note_loan<C: GenericClient>(client: &mut C, book: i32, reader: &str) -> Result<u64, Error> {
    client.execute("insert into loan values ($1, $2, 14)", &[&book, &reader])
}

fn lend(conn: &mut Connection, said: &mut String) -> Outcome<()> {
    note_loan(conn, 1, "ada")?;
    let mut tx = conn.transaction()?;
    note_loan(&mut tx, 2, "ada")?;
    tx.commit()?;
    let mut tx = conn.transaction()?;
    note_loan(&mut tx, 3, "bob")?;
    drop(tx);
    writeln!(said, "lent: {}", lent(conn)?)?;
    Ok(())
}

fn lent(client: &mut impl GenericClient) -> Result<String, Error> {
    let rows = client.query("select book, reader from loan order by book", &[])?;
    let pairs = rows.iter().map(|row| format!("{} to {}", row.get::<_, i32>(0), row.get::<_, &str>(1)));
    Ok(pairs.collect::<Vec<_>>().join(", "))
}

fn fail(conn: &mut Connection, said: &mut String) -> Outcome<()> {
    let error = conn.execute("insert into book (title, genre) values ('', 'novel')", &[]).unwrap_err();
    if let Some(db) = error.as_db_error() {
        let words = (db.severity(), db.constraint(), db.table(), db.hint());
        writeln!(said, "refused: {} {words:?}", db.message())?;
    }
    let error = note_loan(conn, 1, "bob").unwrap_err();
    writeln!(said, "unique: {}", error.code() == Some(&SqlState::UNIQUE_VIOLATION))?;
    let error = conn.query("select * from nowhere", &[]).unwrap_err();
    writeln!(said, "code: {:?}, closed: {}", error.code().map(SqlState::code), error.is_closed())?;
    for wrong in [
        conn.query("select $1::int4", &[]),
        conn.query("select $1::int4", &[&"text"]),
        conn.query_one("select 1 where false", &[]).map(|row| vec![row]),
    ] {
        writeln!(said, "not the server's: {}", wrong.is_err_and(|e| e.as_db_error().is_none()))?;
    }
    Ok(())
}

fn change_in_transactions(conn: &mut Connection, said: &mut String) -> Outcome<()> {
    let builder = conn.build_transaction().isolation_level(IsolationLevel::Serializable).read_only(true);
    let mut tx = builder.start()?;
    let shown = tx.query_one("show transaction_isolation", &[])?;
    writeln!(said, "isolation: {}", shown.get::<_, &str>(0))?;
    let refused = tx.batch_execute("delete from loan").unwrap_err();
    writeln!(said, "read only: {}", refused.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION))?;
    tx.rollback()?;

    let mut tx = conn.transaction()?;
    give_back(&mut tx, 1)?;
    let mut inner = tx.savepoint("another")?;
    give_back(&mut inner, 2)?;
    inner.rollback()?;
    let mut inner = tx.transaction()?;
    note_loan(&mut inner, 2, "bob").unwrap_err();
    // Dropped, it is rolled back.
    drop(inner);
    let mut inner = tx.transaction()?;
    note_loan(&mut inner, 4, "bob")?;
    inner.commit()?;
    tx.commit()?;
    writeln!(said, "lent: {}", lent(conn)?)?;
    Ok(())
}

fn give_back(tx: &mut Transaction<'_>, book: i32) -> Result<u64, Error> {
    tx.execute("delete from loan where book = $1", &[&book])
}

fn read_in_portions(conn: &mut Connection, said: &mut String) -> Outcome<()> {
    let mut tx = conn.transaction()?;
    let portal = tx.bind("select n from generate_series(1, $1::int4) n", &[&5i32])?;
    loop {
        let rows = tx.query_portal(&portal, 2)?;
        let numbers: Vec<i32> = rows.iter().map(|row| row.get(0)).collect();
        writeln!(said, "portion: {numbers:?}")?;
        if rows.len() < 2 {
            break;
        }
    }
    tx.commit()?;
    // Half of the rows are enough.
    let none: [&(dyn ToSql + Sync); 0] = [];
    let mut rows = conn.query_raw("select generate_series(1, 1000)", none)?;
    rows.next()?;
    drop(rows);
    let answer: i32 = conn.query_one("select 40 + $1", &[&2i32])?.get(0);
    writeln!(said, "then: {answer}")?;
    Ok(())
}

fn copy(conn: &mut Connection, said: &mut String) -> Outcome<()> {
    let mut writer = conn.copy_in("copy book (title, year, genre) from stdin")?;
    writer.write_all(b"Walden\t1854\tscience\n")?;
    writer.write_all(b"Ficciones\t1944\tnovel\n")?;
    writeln!(said, "copied in: {}", writer.finish()?)?;
    let reader = conn.copy_out("copy (select title, year from book order by id) to stdout (format csv)")?;
    for line in reader.lines() {
        writeln!(said, "copied out: {}", line?)?;
    }
    let mut writer = conn.copy_in("copy book (title) from stdin")?;
    writer.write_all(b"given up\n")?;
    drop(writer);
    let mut writer = conn.copy_in("copy book (year) from stdin")?;
    writer.write_all(b"no year\n")?;
    let error = writer.finish().unwrap_err();
    writeln!(said, "no copy: {:?}", error.code().map(SqlState::code))?;
    let count: i64 = conn.query_one("select count(*) from book", &[])?.get(0);
    writeln!(said, "books: {count}")?;
    Ok(())
}

fn script(conn: &mut Connection, said: &mut String) -> Outcome<()> {
    let messages = conn.simple_query("select id, null as nothing from book limit 1; delete from loan")?;
    for message in &messages {
        match message {
            SimpleQueryMessage::RowDescription(columns) => {
                let names: Vec<&str> = columns.iter().map(|column| column.name()).collect();
                writeln!(said, "columns: {names:?}")?;
            }
            SimpleQueryMessage::Row(row) => {
                writeln!(said, "row: {:?} {:?}", row.get("id"), row.get(1))?;
            }
            SimpleQueryMessage::CommandComplete(rows) => writeln!(said, "rows: {rows}")?,
            _ => {}
        }
    }
    Ok(())
}

fn listen(conn: &mut Connection, said: &mut String) -> Outcome<()> {
    conn.batch_execute("listen returned; notify returned, 'Walden'; notify returned, 'Ficciones'")?;
    for _ in 0..2 {
        let mut notifications = conn.notifications();
        if let Some(notification) = notifications.timeout_iter(Duration::from_secs(5)).next()? {
            writeln!(said, "{}: {}", notification.channel(), notification.payload())?;
        }
    }
    writeln!(said, "more: {}", conn.notifications().iter().next()?.is_some())?;
    conn.batch_execute("unlisten *")?;
    Ok(())
}

fn cancel(conn: &mut Connection, said: &mut String) -> Outcome<()> {
    conn.batch_execute("set statement_timeout = '50ms'")?;
    let error = conn.batch_execute("select pg_sleep(60)").unwrap_err();
    conn.batch_execute("reset statement_timeout")?;
    writeln!(said, "canceled: {}", error.code() == Some(&SqlState::QUERY_CANCELED))?;
    let _token = conn.cancel_token();
    Ok(())
}
