//! The cost of checking out a connection that nobody else wants.

use std::thread;
use std::time::{Duration, Instant};

use super::Bench;
use crate::support::Outcome;
use crate::support::report::{Better, Bound, Judged, Measurement};
use crate::support::rounds::{Contender, interleave, nanos, nanos_per_call};
use crate::support::subjects::{self, HOLDFAST, R2D2, UNTIMED};

const CALLS: u32 = 400_000;
/// Longer than the pool trusts a connection unseen, shorter than any pool lets it rest without asking the server.
const REST: Duration = Duration::from_millis(5);

pub fn measure(bench: &Bench<'_>) -> Outcome<Vec<Measurement>> {
    let pool = subjects::holdfast(&bench.url, 8)?;
    let untimed = subjects::holdfast_without_metrics(&bench.url, 8)?;
    let stock = subjects::stock_r2d2(&bench.url, 8)?;
    let calls = bench.options.calls(CALLS);
    let busy = interleave(
        bench.options.rounds(21),
        vec![
            Contender::new(HOLDFAST, || {
                Ok(vec![nanos_per_call(calls, || pool.get().map(drop).map_err(Into::into))?])
            }),
            Contender::new(UNTIMED, || {
                Ok(vec![nanos_per_call(calls, || untimed.get().map(drop).map_err(Into::into))?])
            }),
            Contender::new(R2D2, || {
                Ok(vec![nanos_per_call(calls, || stock.get().map(drop).map_err(Into::into))?])
            }),
        ],
    )?;
    let rested = interleave(
        bench.options.rounds(9),
        vec![
            Contender::new(HOLDFAST, || rested(|| pool.get().map(drop).map_err(Into::into))),
            Contender::new(R2D2, || rested(|| stock.get().map(drop).map_err(Into::into))),
        ],
    )?;
    Ok(vec![
        Measurement::new("get", "get and drop of a free connection, one thread", ("ns", 1, Better::Less))
            .of(&busy, 0)
            .target(Judged::RatioTo(R2D2), Bound::AtMost(1.0)),
        Measurement::new(
            "get/rested",
            "the same after 5 ms of rest (Holdfast looks whether the server hung up, r2d2 does not)",
            ("us", 2, Better::Less),
        )
        .of(&rested, 0),
    ])
}

/// Mean of a few calls with a rest before each; caches are cold then, which is part of it.
fn rested(mut work: impl FnMut() -> Outcome<()>) -> Outcome<Vec<f64>> {
    const CALLS: u32 = 16;
    let mut spent = Duration::ZERO;
    for _ in 0..CALLS {
        thread::sleep(REST);
        let start = Instant::now();
        work()?;
        spent += start.elapsed();
    }
    Ok(vec![nanos(spent) / f64::from(CALLS) / 1e3])
}
