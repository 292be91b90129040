//! A large result: asked for, received as a whole, every value read, freed.

use std::hint::black_box;
use std::str;
use std::time::{Instant, SystemTime};

use super::Bench;
use crate::support::libpq::{Format, Rows};
use crate::support::report::{Better, Bound, Judged, Measurement};
use crate::support::rounds::{Contender, interleave, interleave_cold, millis};
use crate::support::subjects::{self, BARE, Bare, HOLDFAST, LIBPQ, Libpq, MANY, MANY_ROWS};
use crate::support::{Outcome, children, procfs};

/// Reads every value of rows, of whichever library.
macro_rules! read_all {
    ($rows:expr) => {{
        let rows = $rows;
        complete(rows.len())?;
        for row in &rows {
            black_box(row.try_get::<_, i32>(0)?);
            black_box(row.try_get::<_, i64>(1)?);
            black_box(row.try_get::<_, &str>(2)?);
            black_box(row.try_get::<_, SystemTime>(3)?);
        }
        Ok(())
    }};
}
pub const NAME: &str = "rows";
const LIBPQ_BINARY: &str = "libpq, binary";
const SUBJECTS: [&str; 4] = [HOLDFAST, BARE, LIBPQ, LIBPQ_BINARY];

pub fn measure(bench: &Bench<'_>) -> Outcome<Vec<Measurement>> {
    let mut contenders = Vec::new();
    for name in SUBJECTS {
        let mut fetch = fetcher(name, &bench.url)?;
        contenders.push(Contender::new(name, move || {
            let start = Instant::now();
            fetch()?;
            Ok(vec![millis(start.elapsed())])
        }));
    }
    let time = interleave(bench.options.rounds(15), contenders)?;
    let peak = interleave_cold(
        bench.options.rounds(5),
        SUBJECTS
            .map(|name| Contender::new(name, move || children::measure(NAME, name, &bench.url)))
            .into_iter()
            .collect(),
    )?;
    Ok(vec![
        Measurement::new(
            "rows/time",
            "100,000 rows of 4 columns, received and every value read",
            ("ms", 1, Better::Less),
        )
        .of(&time, 0)
        .target(Judged::RatioTo(LIBPQ), Bound::AtMost(0.95)),
        Measurement::new(
            "rows/memory",
            "the same: memory at its peak, above that of the connected process",
            ("KiB", 0, Better::Less),
        )
        .of(&peak, 0),
    ])
}

/// In a process of its own: how far the peak of memory rises by fetching once.
pub fn child(subject: &str, url: &str) -> Outcome<()> {
    let mut fetch = fetcher(subject, url)?;
    let before = procfs::peak_memory_kib()?;
    fetch()?;
    children::hand_over(&[procfs::peak_memory_kib()? - before]);
    Ok(())
}

type Fetcher = Box<dyn FnMut() -> Outcome<()>>;

fn fetcher(subject: &str, url: &str) -> Outcome<Fetcher> {
    Ok(match subject {
        HOLDFAST => {
            let pool = subjects::holdfast(url, 1)?;
            Box::new(move || read_all!(pool.query(MANY, &[])?))
        }
        BARE => {
            let mut client = Bare::open(url)?.client;
            let many = client.prepare(MANY)?;
            Box::new(move || read_all!(client.query(&many, &[])?))
        }
        LIBPQ => {
            let mut conn = Libpq::open(url)?.0;
            Box::new(move || read_text(&conn.query(MANY, Format::Text)?))
        }
        LIBPQ_BINARY => {
            let mut conn = Libpq::open(url)?.0;
            Box::new(move || read_binary(&conn.query(MANY, Format::Binary)?))
        }
        other => return Err(format!("no such subject: {other}").into()),
    })
}

/// As programs do that ask for text: numbers are parsed, dates left as they are.
pub(super) fn read_text(rows: &Rows) -> Outcome<()> {
    complete(rows.len())?;
    for row in 0..rows.len() {
        black_box(str::from_utf8(rows.value(row, 0))?.parse::<i32>()?);
        black_box(str::from_utf8(rows.value(row, 1))?.parse::<i64>()?);
        black_box(rows.value(row, 2));
        black_box(rows.value(row, 3));
    }
    Ok(())
}

fn read_binary(rows: &Rows) -> Outcome<()> {
    complete(rows.len())?;
    for row in 0..rows.len() {
        black_box(i32::from_be_bytes(rows.value(row, 0).try_into()?));
        black_box(i64::from_be_bytes(rows.value(row, 1).try_into()?));
        black_box(rows.value(row, 2));
        black_box(i64::from_be_bytes(rows.value(row, 3).try_into()?));
    }
    Ok(())
}

fn complete(rows: usize) -> Outcome<()> {
    if rows == MANY_ROWS { Ok(()) } else { Err(format!("{rows} rows instead of {MANY_ROWS}").into()) }
}
