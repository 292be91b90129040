//! A prepared statement that finds one row by its key: what most statements of most programs are.

use std::hint::black_box;
use std::time::Duration;

use super::Bench;
use crate::support::Outcome;
use crate::support::crowd;
use crate::support::pinning::OneCpu;
use crate::support::report::{Better, Bound, Judged, Measurement};
use crate::support::rounds::{Contender, Series, interleave, nanos_per_call};
use crate::support::subjects::{
    self, BARE, Bare, HOLDFAST, LIBPQ, Libpq, OnePerThread, POINT, R2D2, any_key, point_through,
};

const CALLS: u32 = 8_000;
const THREADS: usize = 8;

/// With the statement prepared, or as good as: with 1 and with 8 threads, on one CPU and on all.
pub fn prepared(bench: &Bench<'_>) -> Outcome<Vec<Measurement>> {
    let mut results = Vec::new();
    for (key, place, one_cpu) in [("one-cpu", "on one CPU", true), ("all-cpus", "on all CPUs", false)] {
        // Before connecting, so that the server's processes inherit it.
        let _pinned = if one_cpu { Some(OneCpu::with(bench.server)?) } else { None };
        results.push(
            Measurement::new(
                format!("point/1-thread/{key}"),
                format!("prepared point query, 1 thread, {place}"),
                ("us", 2, Better::Less),
            )
            .of(&one_thread(bench)?, 0)
            .target(Judged::RatioTo(LIBPQ), Bound::AtMost(1.0)),
        );
        results.push(
            Measurement::new(
                format!("point/8-threads/{key}"),
                format!("prepared point queries, 8 threads on 8 connections, {place}"),
                ("queries/s", 0, Better::More),
            )
            .of(&eight_threads(bench)?, 0)
            .target(Judged::RatioTo(LIBPQ), Bound::AtLeast(0.9)),
        );
    }
    Ok(results)
}

fn one_thread(bench: &Bench<'_>) -> Outcome<Vec<Series>> {
    let pool = subjects::holdfast(&bench.url, 8)?;
    let mut bare = Bare::open(&bench.url)?;
    let mut libpq = Libpq::open(&bench.url)?;
    let calls = bench.options.calls(CALLS);
    interleave(
        bench.options.rounds(25),
        vec![
            Contender::new(HOLDFAST, || micros(calls, || point_through(&pool))),
            Contender::new(BARE, || micros(calls, || bare.point())),
            Contender::new(LIBPQ, || micros(calls, || libpq.point())),
        ],
    )
}

fn eight_threads(bench: &Bench<'_>) -> Outcome<Vec<Series>> {
    let pool = subjects::holdfast(&bench.url, THREADS as u32)?;
    let bare = OnePerThread::open(THREADS, || Bare::open(&bench.url))?;
    let libpq = OnePerThread::open(THREADS, || Libpq::open(&bench.url))?;
    let length = bench.options.length(Duration::from_millis(600));
    let ours = || {
        crowd::run(THREADS, length, |shift, _| {
            while shift.goes_on() {
                point_through(&pool)?;
                shift.turn();
            }
            Ok(())
        })
    };
    let driver = || {
        crowd::run(THREADS, length, |shift, thread| {
            let mut conn = bare.of(thread);
            while shift.goes_on() {
                conn.point()?;
                shift.turn();
            }
            Ok(())
        })
    };
    let library = || {
        crowd::run(THREADS, length, |shift, thread| {
            let mut conn = libpq.of(thread);
            while shift.goes_on() {
                conn.point()?;
                shift.turn();
            }
            Ok(())
        })
    };
    interleave(
        bench.options.rounds(11),
        vec![
            Contender::new(HOLDFAST, || ours().map(|c| vec![c.rate()])),
            Contender::new(BARE, || driver().map(|c| vec![c.rate()])),
            Contender::new(LIBPQ, || library().map(|c| vec![c.rate()])),
        ],
    )
}

/// Given as text each time: Holdfast finds the statement it prepared, r2d2 has the server prepare and drop one. libpq runs
/// what it prepared, so the comparison with it shows what finding the statement costs.
pub fn text(bench: &Bench<'_>) -> Outcome<Vec<Measurement>> {
    let _pinned = OneCpu::with(bench.server)?;
    let pool = subjects::holdfast(&bench.url, 8)?;
    let stock = subjects::stock_r2d2(&bench.url, 8)?;
    let mut libpq = Libpq::open(&bench.url)?;
    let calls = bench.options.calls(CALLS / 2);
    let series = interleave(
        bench.options.rounds(15),
        vec![
            Contender::new(HOLDFAST, || micros(calls, || point_through(&pool))),
            Contender::new(R2D2, || {
                micros(calls, || {
                    let row = stock.get()?.query_one(POINT, &[&any_key()])?;
                    black_box(row.get::<_, &str>(0));
                    Ok(())
                })
            }),
            Contender::new(LIBPQ, || micros(calls, || libpq.point())),
        ],
    )?;
    Ok(vec![
        Measurement::new(
            "text/one-cpu",
            "the same statement given as text, 1 thread, on one CPU",
            ("us", 2, Better::Less),
        )
        .of(&series, 0)
        .target(Judged::RatioTo(LIBPQ), Bound::AtMost(1.0)),
    ])
}

fn micros(calls: u32, work: impl FnMut() -> Outcome<()>) -> Outcome<Vec<f64>> {
    Ok(vec![nanos_per_call(calls, work)? / 1e3])
}
