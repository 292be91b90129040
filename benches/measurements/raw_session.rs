//! The raw session, which embedders use: the same work as libpq's, asked for in the same format.

use std::hint::black_box;
use std::str;
use std::time::Instant;

use holdfast::session::{Param, PipelineMode, Request, ResultBlock, ResultFormat, WireFormat};
use holdfast::{Pool, PooledConnection};

use super::Bench;
use crate::support::Outcome;
use crate::support::libpq::Format;
use crate::support::pinning::OneCpu;
use crate::support::report::{Better, Bound, Judged, Measurement};
use crate::support::rounds::{Contender, interleave, millis, nanos_per_call};
use crate::support::subjects::{self, HOLDFAST, LIBPQ, Libpq, MANY, MANY_ROWS, POINT, any_key};

const CALLS: u32 = 8_000;
const INSERTS: usize = 10_000;
const ONE_BY_ONE: &str = "one by one";

pub fn measure(bench: &Bench<'_>) -> Outcome<Vec<Measurement>> {
    Ok(vec![point(bench)?, rows(bench)?, inserts(bench)?])
}

/// Checks out, asks, gives back, for each query.
fn point(bench: &Bench<'_>) -> Outcome<Measurement> {
    let _pinned = OneCpu::with(bench.server)?;
    let pool = subjects::holdfast(&bench.url, 1)?;
    let mut libpq = Libpq::open(&bench.url)?;
    let calls = bench.options.calls(CALLS);
    let series = interleave(
        bench.options.rounds(25),
        vec![
            Contender::new(HOLDFAST, || Ok(vec![nanos_per_call(calls, || ask(&pool))? / 1e3])),
            Contender::new(LIBPQ, || Ok(vec![nanos_per_call(calls, || libpq.point())? / 1e3])),
        ],
    )?;
    let title = "prepared point query through the raw session, 1 thread, on one CPU";
    Ok(Measurement::new("raw/point", title, ("us", 2, Better::Less))
        .of(&series, 0)
        .target(Judged::RatioTo(LIBPQ), Bound::AtMost(1.02)))
}

fn ask(pool: &Pool) -> Outcome<()> {
    let key = any_key().to_be_bytes();
    let param = Param { value: Some(&key), format: WireFormat::Binary, type_oid: 23 };
    let block = pool.get()?.raw()?.query(POINT, &[param], ResultFormat::Text)?;
    black_box(block.cell(0, 0).ok_or("no row for a key")?);
    Ok(())
}

fn rows(bench: &Bench<'_>) -> Outcome<Measurement> {
    let pool = subjects::holdfast(&bench.url, 1)?;
    let mut libpq = Libpq::open(&bench.url)?.0;
    let ours = || {
        let start = Instant::now();
        read_text(&pool.get()?.raw()?.query(MANY, &[], ResultFormat::Text)?)?;
        Ok(vec![millis(start.elapsed())])
    };
    let theirs = || {
        let start = Instant::now();
        super::rows::read_text(&libpq.query(MANY, Format::Text)?)?;
        Ok(vec![millis(start.elapsed())])
    };
    let series = interleave(
        bench.options.rounds(15),
        vec![Contender::new(HOLDFAST, ours), Contender::new(LIBPQ, theirs)],
    )?;
    let title = "100,000 rows of 4 columns as text through the raw session, every value read";
    Ok(Measurement::new("raw/rows", title, ("ms", 1, Better::Less))
        .of(&series, 0)
        .target(Judged::RatioTo(LIBPQ), Bound::AtMost(0.9)))
}

fn read_text(block: &ResultBlock) -> Outcome<()> {
    if block.rows() != MANY_ROWS {
        return Err(format!("{} rows instead of {MANY_ROWS}", block.rows()).into());
    }
    let value = |row, column| block.cell(row, column).ok_or("a NULL");
    for row in 0..block.rows() {
        black_box(str::from_utf8(value(row, 0)?)?.parse::<i32>()?);
        black_box(str::from_utf8(value(row, 1)?)?.parse::<i64>()?);
        black_box(value(row, 2)?);
        black_box(value(row, 3)?);
    }
    Ok(())
}

fn inserts(bench: &Bench<'_>) -> Outcome<Measurement> {
    let pool = subjects::holdfast(&bench.url, 1)?;
    let numbers: Vec<[u8; 4]> = (0..INSERTS as i32).map(i32::to_be_bytes).collect();
    let params: Vec<_> = numbers
        .iter()
        .map(|n| [Param { value: Some(n), format: WireFormat::Binary, type_oid: 23 }])
        .collect();
    let timed = |work: &dyn Fn(&mut PooledConnection) -> Outcome<()>| {
        let mut conn = pool.get()?;
        conn.batch_execute("create temp table if not exists sink (n int); truncate sink")?;
        let start = Instant::now();
        work(&mut conn)?;
        Ok(vec![millis(start.elapsed())])
    };
    const INSERT: &str = "insert into sink values ($1)";
    let pipelined = |conn: &mut PooledConnection| {
        let requests: Vec<_> = params
            .iter()
            .map(|params| Request { sql: INSERT.into(), params, format: ResultFormat::Text })
            .collect();
        for result in conn.raw()?.pipeline(&requests, PipelineMode::Separate)? {
            result?;
        }
        Ok(())
    };
    let one_by_one = |conn: &mut PooledConnection| {
        let mut raw = conn.raw()?;
        for params in &params {
            raw.query(INSERT, params, ResultFormat::Text)?;
        }
        Ok(())
    };
    let series = interleave(
        bench.options.rounds(7),
        vec![
            Contender::new(HOLDFAST, || timed(&pipelined)),
            Contender::new(ONE_BY_ONE, || timed(&one_by_one)),
        ],
    )?;
    let title = "10,000 inserts pipelined through the raw session, each a transaction of its own";
    Ok(Measurement::new("raw/inserts", title, ("ms", 1, Better::Less))
        .of(&series, 0)
        .target(Judged::RatioTo(ONE_BY_ONE), Bound::AtMost(0.2)))
}
