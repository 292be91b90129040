//! The C library beside libpq, which is what a C program would use without it: the same work in the same format.

use std::ffi::CString;
use std::hint::black_box;
use std::str;
use std::time::{Duration, Instant};

use super::Bench;
use crate::support::capi::{Connection, Pool, Queue, Rows};
use crate::support::libpq::Format;
use crate::support::pinning::OneCpu;
use crate::support::report::{Better, Bound, Judged, Measurement};
use crate::support::rounds::{Contender, Series, interleave, interleave_cold, millis, nanos_per_call};
use crate::support::subjects::{HOLDFAST, LIBPQ, Libpq, MANY, MANY_ROWS, OnePerThread, POINT, any_key};
use crate::support::{Outcome, children, crowd, procfs};

pub const NAME: &str = "capi";
/// A connection kept for all calls, as libpq's users have it; the pool's own way is to check out one for each.
const KEPT: &str = "Holdfast, kept";
const EIGHT_LIBPQ: &str = "libpq, 8 threads";
const ONE_BY_ONE: &str = "one by one";
const IN_FLIGHT: usize = 64;
const INSERTS: i32 = 10_000;
const CALLS: u32 = 8_000;
const THREADS: usize = 8;

pub fn measure(bench: &Bench<'_>) -> Outcome<Vec<Measurement>> {
    let mut results = Vec::new();
    for (key, place, one_cpu) in [("one-cpu", "on one CPU", true), ("all-cpus", "on all CPUs", false)] {
        // Before connecting, so that the server's processes inherit it.
        let _pinned = if one_cpu { Some(OneCpu::with(bench.server)?) } else { None };
        let title = format!("through the C library: prepared point query, 1 thread, {place}");
        let one = Measurement::new(format!("capi/point/{key}"), title, ("us", 2, Better::Less))
            .of(&one_thread(bench)?, 0);
        results.push(if one_cpu { one.target(Judged::RatioTo(LIBPQ), Bound::AtMost(1.02)) } else { one });
        let title =
            format!("through the C library: prepared point queries, 8 threads on 8 connections, {place}");
        results.push(
            Measurement::new(format!("capi/8-threads/{key}"), title, ("queries/s", 0, Better::More))
                .of(&eight_threads(bench)?, 0)
                .target(Judged::RatioTo(LIBPQ), Bound::AtLeast(0.95)),
        );
        results.extend(rows(bench, key, place)?);
        let title = format!(
            "through the C library: 64 point queries in flight from one thread on 8 connections, {place}"
        );
        results.push(
            Measurement::new(format!("capi/submit/{key}"), title, ("queries/s", 0, Better::More))
                .of(&submitted(bench)?, 0)
                .target(Judged::RatioTo(EIGHT_LIBPQ), Bound::AtLeast(0.95)),
        );
    }
    results.extend(inserts(bench)?);
    Ok(results)
}

fn point(rows: &Rows) -> Outcome<()> {
    if rows.len() != 1 {
        return Err(format!("{} rows for one key", rows.len()).into());
    }
    black_box(rows.value(0, 0));
    Ok(())
}

fn one_thread(bench: &Bench<'_>) -> Outcome<Vec<Series>> {
    let sql = CString::new(POINT)?;
    let pool = Pool::open(&bench.url, 1)?;
    let kept_pool = Pool::open(&bench.url, 1)?;
    let mut kept = kept_pool.acquire()?;
    let mut libpq = Libpq::open(&bench.url)?;
    let calls = bench.options.calls(CALLS);
    let micros = |work: &mut dyn FnMut() -> Outcome<()>| Ok(vec![nanos_per_call(calls, work)? / 1e3]);
    interleave(
        bench.options.rounds(25),
        vec![
            Contender::new(HOLDFAST, || micros(&mut || point(&pool.point(&sql, any_key())?))),
            Contender::new(KEPT, || micros(&mut || point(&kept.point(&sql, any_key())?))),
            Contender::new(LIBPQ, || micros(&mut || libpq.point())),
        ],
    )
}

fn eight_threads(bench: &Bench<'_>) -> Outcome<Vec<Series>> {
    let sql = CString::new(POINT)?;
    let pool = Pool::open(&bench.url, THREADS)?;
    let kept_pool = Pool::open(&bench.url, THREADS)?;
    let kept = OnePerThread::open(THREADS, || kept_pool.acquire())?;
    let libpq = OnePerThread::open(THREADS, || Libpq::open(&bench.url))?;
    let length = bench.options.length(Duration::from_millis(600));
    let (pool, sql) = (&pool, sql.as_c_str());
    interleave(
        bench.options.rounds(11),
        vec![
            Contender::new(HOLDFAST, || rate(length, |_| move || point(&pool.point(sql, any_key())?))),
            Contender::new(KEPT, || {
                rate(length, |thread| {
                    let mut conn = kept.of(thread);
                    move || point(&conn.point(sql, any_key())?)
                })
            }),
            Contender::new(LIBPQ, || {
                rate(length, |thread| {
                    let mut conn = libpq.of(thread);
                    move || conn.point()
                })
            }),
        ],
    )
}

/// One thread that keeps [`IN_FLIGHT`] queries in flight, as an event loop would.
fn submitted(bench: &Bench<'_>) -> Outcome<Vec<Series>> {
    let sql = CString::new(POINT)?;
    let pool = Pool::open(&bench.url, THREADS)?;
    let libpq = OnePerThread::open(THREADS, || Libpq::open(&bench.url))?;
    let length = bench.options.length(Duration::from_millis(600));
    let ours = || {
        let mut queue = Queue::open(IN_FLIGHT)?;
        let (start, mut done) = (Instant::now(), 0);
        let mut in_flight = 0;
        while in_flight > 0 || start.elapsed() < length {
            if start.elapsed() < length {
                while in_flight < IN_FLIGHT {
                    queue.submit_point(&pool, &sql, any_key())?;
                    in_flight += 1;
                }
            }
            let drained = queue.drain(point)?;
            in_flight -= drained;
            done += drained;
        }
        Ok(vec![done as f64 / start.elapsed().as_secs_f64()])
    };
    interleave(
        bench.options.rounds(11),
        vec![
            Contender::new(HOLDFAST, ours),
            Contender::new(EIGHT_LIBPQ, || {
                rate(length, |thread| {
                    let mut conn = libpq.of(thread);
                    move || conn.point()
                })
            }),
        ],
    )
}

/// Inserts one by one and in a pipeline, of its own transaction each and all in one.
fn inserts(bench: &Bench<'_>) -> Outcome<Vec<Measurement>> {
    const INSERT: &str = "insert into sink values ($1)";
    const FRESH: &str = "create temp table if not exists sink (n int); truncate sink";
    let (insert, fresh) = (CString::new(INSERT)?, CString::new(FRESH)?);
    let values: Vec<i32> = (0..INSERTS).collect();
    let pool = Pool::open(&bench.url, 1)?;
    let mut results = Vec::new();
    for (key, title, together) in [
        ("separate", "10,000 inserts pipelined, each a transaction of its own", false),
        ("together", "10,000 inserts pipelined, together one transaction", true),
    ] {
        let ours = |pipelined: bool| {
            let mut conn = pool.acquire()?;
            conn.script(&fresh)?;
            let start = Instant::now();
            if pipelined {
                conn.pipeline(&insert, &values, together)?;
            } else {
                conn.one_by_one(&insert, &values)?;
            }
            Ok(vec![millis(start.elapsed())])
        };
        let mut libpq = Libpq::open(&bench.url)?.0;
        libpq.execute(FRESH)?;
        libpq.prepare(c"insert", INSERT)?;
        let theirs = || {
            libpq.execute(FRESH)?;
            let start = Instant::now();
            libpq.pipeline(c"insert", &values, together)?;
            Ok(vec![millis(start.elapsed())])
        };
        let series = interleave(
            bench.options.rounds(7),
            vec![
                Contender::new(HOLDFAST, || ours(true)),
                Contender::new(ONE_BY_ONE, || ours(false)),
                Contender::new(LIBPQ, theirs),
            ],
        )?;
        let title = format!("through the C library: {title}");
        let result = Measurement::new(format!("capi/inserts/{key}"), title, ("ms", 1, Better::Less))
            .of(&series, 0)
            .target(Judged::RatioTo(LIBPQ), Bound::AtMost(1.0));
        // 10,000 commits cost the server what they cost, however they are asked for.
        let five_times = |result: Measurement| result.target(Judged::RatioTo(ONE_BY_ONE), Bound::AtMost(0.2));
        results.push(if together { five_times(result) } else { result });
    }
    Ok(results)
}

/// Turns per second of all threads together, each with what `equip` gives it.
fn rate<T: FnMut() -> Outcome<()>>(length: Duration, equip: impl Fn(usize) -> T + Sync) -> Outcome<Vec<f64>> {
    let crowd = crowd::run(THREADS, length, |shift, thread| {
        let mut turn = equip(thread);
        while shift.goes_on() {
            turn()?;
            shift.turn();
        }
        Ok(())
    })?;
    Ok(vec![crowd.rate()])
}

fn rows(bench: &Bench<'_>, key: &str, place: &str) -> Outcome<Vec<Measurement>> {
    let mut contenders = Vec::new();
    for name in [HOLDFAST, LIBPQ] {
        let mut fetch = fetcher(name, &bench.url)?;
        contenders.push(Contender::new(name, move || {
            let start = Instant::now();
            fetch()?;
            Ok(vec![millis(start.elapsed())])
        }));
    }
    let time = interleave(bench.options.rounds(15), contenders)?;
    let title =
        format!("through the C library: 100,000 rows of 4 columns as text, every value read, {place}");
    let mut results = vec![
        Measurement::new(format!("capi/rows/{key}"), title, ("ms", 1, Better::Less))
            .of(&time, 0)
            .target(Judged::RatioTo(LIBPQ), Bound::AtMost(0.9)),
    ];
    if key == "all-cpus" {
        let in_child = |name| Contender::new(name, move || children::measure(NAME, name, &bench.url));
        let peak =
            interleave_cold(bench.options.rounds(5), [HOLDFAST, LIBPQ].map(in_child).into_iter().collect())?;
        let title = "the same: memory at its peak, above that of the connected process";
        results.push(
            Measurement::new("capi/rows/memory", title, ("KiB", 0, Better::Less))
                .of(&peak, 0)
                .target(Judged::RatioTo(LIBPQ), Bound::AtMost(1.0)),
        );
    }
    Ok(results)
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
    if subject == LIBPQ {
        let mut conn = Libpq::open(url)?.0;
        return Ok(Box::new(move || super::rows::read_text(&conn.query(MANY, Format::Text)?)));
    }
    let sql = CString::new(MANY)?;
    let pool = Pool::open(url, 1)?;
    Ok(Box::new(move || {
        let mut conn: Connection = pool.acquire()?;
        read_text(&conn.text(&sql)?)
    }))
}

/// What [`rows::read_text`](super::rows::read_text) does with libpq's.
fn read_text(rows: &Rows) -> Outcome<()> {
    if rows.len() != MANY_ROWS {
        return Err(format!("{} rows instead of {MANY_ROWS}", rows.len()).into());
    }
    for row in 0..rows.len() {
        black_box(str::from_utf8(rows.value(row, 0))?.parse::<i32>()?);
        black_box(str::from_utf8(rows.value(row, 1))?.parse::<i64>()?);
        black_box(rows.value(row, 2));
        black_box(rows.value(row, 3));
    }
    Ok(())
}
