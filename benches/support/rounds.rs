//! Measuring in rounds: every subject once per round, so that what disturbs the machine disturbs all of them.

use std::time::{Duration, Instant};

use super::Outcome;

/// One subject and how to measure it once. A run yields one figure per quantity.
pub struct Contender<'a> {
    pub name: &'static str,
    run: Box<dyn FnMut() -> Outcome<Vec<f64>> + 'a>,
}

impl<'a> Contender<'a> {
    pub fn new(name: &'static str, run: impl FnMut() -> Outcome<Vec<f64>> + 'a) -> Self {
        Self { name, run: Box::new(run) }
    }
}

/// The figures of one subject: `quantities[q][round]`.
pub struct Series {
    pub name: &'static str,
    pub quantities: Vec<Vec<f64>>,
}

/// Runs all contenders once to warm up, and then `rounds` times.
pub fn interleave(rounds: usize, mut contenders: Vec<Contender<'_>>) -> Outcome<Vec<Series>> {
    for contender in &mut contenders {
        (contender.run)()?;
    }
    interleave_cold(rounds, contenders)
}

/// The same without warming up, for subjects that start anew each time. The next round begins with the next contender,
/// so that nobody always follows the same neighbour's cold caches.
pub fn interleave_cold(rounds: usize, mut contenders: Vec<Contender<'_>>) -> Outcome<Vec<Series>> {
    let mut series: Vec<Series> =
        contenders.iter().map(|c| Series { name: c.name, quantities: Vec::new() }).collect();
    for round in 0..rounds {
        for turn in 0..contenders.len() {
            let who = (round + turn) % contenders.len();
            let figures = (contenders[who].run)()?;
            let quantities = &mut series[who].quantities;
            quantities.resize(figures.len(), Vec::new());
            for (samples, figure) in quantities.iter_mut().zip(figures) {
                samples.push(figure);
            }
        }
    }
    Ok(series)
}

/// Nanoseconds per call of `work`, over `calls` calls.
pub fn nanos_per_call(calls: u32, mut work: impl FnMut() -> Outcome<()>) -> Outcome<f64> {
    let start = Instant::now();
    for _ in 0..calls {
        work()?;
    }
    Ok(nanos(start.elapsed()) / f64::from(calls))
}

pub fn nanos(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e9
}

pub fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// The middle one, or the mean of the two in the middle.
pub fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    match (sorted.len(), sorted.len() / 2) {
        (0, _) => f64::NAN,
        (n, middle) if n % 2 == 1 => sorted[middle],
        (_, middle) => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}
