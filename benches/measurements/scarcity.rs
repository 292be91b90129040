//! 64 threads that share 8 connections.

use std::thread;
use std::time::{Duration, Instant};

use super::Bench;
use crate::support::Outcome;
use crate::support::crowd;
use crate::support::report::{Better, Bound, Judged, Measurement};
use crate::support::rounds::{Contender, interleave, millis};
use crate::support::subjects::{self, HOLDFAST, LIBPQ, Libpq, OnePerThread, POINT, R2D2, any_key};

const THREADS: usize = 64;
const CONNECTIONS: u32 = 8;
const HELD: Duration = Duration::from_millis(2);

/// Everybody queries as fast as it goes. libpq, which has no pool, uses its connections from one thread each.
pub fn crowd(bench: &Bench<'_>) -> Outcome<Vec<Measurement>> {
    let pool = subjects::holdfast(&bench.url, CONNECTIONS)?;
    let stock = subjects::preparing_r2d2(&bench.url, CONNECTIONS)?;
    let libpq = OnePerThread::open(CONNECTIONS as usize, || Libpq::open(&bench.url))?;
    let length = bench.options.length(Duration::from_millis(1000));

    let ours = || {
        crowd::run(THREADS, length, |shift, _| {
            while shift.goes_on() {
                let asked = Instant::now();
                let mut conn = pool.get()?;
                shift.waited(asked.elapsed());
                conn.query_one(POINT, &[&any_key()])?;
                shift.turn();
            }
            Ok(())
        })
    };
    let theirs = || {
        crowd::run(THREADS, length, |shift, _| {
            while shift.goes_on() {
                let asked = Instant::now();
                let mut conn = stock.get()?;
                shift.waited(asked.elapsed());
                conn.point()?;
                shift.turn();
            }
            Ok(())
        })
    };
    let bare = || {
        crowd::run(CONNECTIONS as usize, length, |shift, thread| {
            let mut conn = libpq.of(thread);
            while shift.goes_on() {
                conn.point()?;
                shift.turn();
            }
            Ok(())
        })
    };
    let series = interleave(
        bench.options.rounds(9),
        vec![
            Contender::new(HOLDFAST, || ours().map(|c| vec![c.rate(), millis(c.longest_wait)])),
            Contender::new(R2D2, || theirs().map(|c| vec![c.rate(), millis(c.longest_wait)])),
            Contender::new(LIBPQ, || bare().map(|c| vec![c.rate()])),
        ],
    )?;
    Ok(vec![
        Measurement::new(
            "crowd/rate",
            "prepared point queries, 64 threads on 8 connections (libpq: 8 threads on 8)",
            ("queries/s", 0, Better::More),
        )
        .of(&series, 0)
        .target(Judged::RatioTo(LIBPQ), Bound::AtLeast(0.66)),
        Measurement::new(
            "crowd/wait",
            "the longest wait for a connection meanwhile",
            ("ms", 1, Better::Less),
        )
        .of(&series, 1)
        .target(Judged::Worst, Bound::AtMost(20.0)),
    ])
}

/// Everybody holds its connection for 2 ms without using the CPU, so that what shows is the order of service.
pub fn hold(bench: &Bench<'_>) -> Outcome<Vec<Measurement>> {
    let pool = subjects::holdfast(&bench.url, CONNECTIONS)?;
    let stock = subjects::stock_r2d2(&bench.url, CONNECTIONS)?;
    let length = bench.options.length(Duration::from_millis(2400));

    let ours = || {
        crowd::run(THREADS, length, |shift, _| {
            while shift.goes_on() {
                let asked = Instant::now();
                let conn = pool.get()?;
                shift.waited(asked.elapsed());
                thread::sleep(HELD);
                drop(conn);
                shift.turn();
            }
            Ok(())
        })
    };
    let theirs = || {
        crowd::run(THREADS, length, |shift, _| {
            while shift.goes_on() {
                let asked = Instant::now();
                let conn = stock.get()?;
                shift.waited(asked.elapsed());
                thread::sleep(HELD);
                drop(conn);
                shift.turn();
            }
            Ok(())
        })
    };
    let figures = |c: crowd::Crowd| vec![millis(c.longest_wait), c.fewest_to_most(), c.rate()];
    let series = interleave(
        bench.options.rounds(5),
        vec![
            Contender::new(HOLDFAST, || ours().map(figures)),
            Contender::new(R2D2, || theirs().map(figures)),
        ],
    )?;
    Ok(vec![
        Measurement::new(
            "hold/wait",
            "64 threads on 8 connections, held for 2 ms each: the longest wait",
            ("ms", 1, Better::Less),
        )
        .of(&series, 0)
        .target(Judged::Worst, Bound::AtMost(25.0)),
        Measurement::new(
            "hold/turns",
            "fewest turns of a thread, as a share of the most (1: all alike)",
            ("share", 3, Better::More),
        )
        .of(&series, 1)
        .target(Judged::Worst, Bound::AtLeast(0.95)),
        Measurement::new(
            "hold/rate",
            "turns of all threads (4,000 if nothing is lost)",
            ("turns/s", 0, Better::More),
        )
        .of(&series, 2),
    ])
}
