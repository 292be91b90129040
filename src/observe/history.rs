//! The history of a pool: its last ten minutes, second by second. The dashboard draws it from before it was opened.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::histogram::Distribution;

/// The age at which a sample is dropped.
const KEPT: Duration = Duration::from_secs(600);

/// One sample of a pool: its gauges at that time, and its counts since the sample before; see
/// [`Pool::history`](crate::Pool::history).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sample {
    /// The time of the sample.
    pub at: Instant,
    /// The time since the sample before, over which the counts are.
    pub over: Duration,
    /// Idle connections.
    pub idle: u32,
    /// Connections checked out.
    pub in_use: u32,
    /// Connections being opened.
    pub opening: u32,
    /// Callers that waited.
    pub waiting: u32,
    /// The limit in force.
    pub limit: u32,
    /// Name of the [`Circuit`](crate::Circuit)'s state.
    pub circuit: &'static str,
    /// Checkouts since the sample before.
    pub gets: u64,
    /// Failures since then: statements, attempts to open a connection, calls of the pool.
    pub errors: u64,
    /// Calls that got no connection in time, or were not let into the queue.
    pub timeouts: u64,
    /// Attempts to open a connection that were retried since then.
    pub retries: u64,
    /// Waits that ended since then.
    pub waited: Quantiles,
    /// Checkouts that ended since then.
    pub used: Quantiles,
}

/// The median and the 99th percentile. `None` where nothing was measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quantiles {
    /// The median.
    pub p50: Option<Duration>,
    /// The 99th percentile.
    pub p99: Option<Duration>,
}

impl Quantiles {
    pub(crate) fn of(distribution: &Distribution) -> Self {
        Self { p50: distribution.quantile(0.5), p99: distribution.quantile(0.99) }
    }
}

#[derive(Debug, Default)]
pub(crate) struct History(VecDeque<Sample>);

impl History {
    pub(crate) fn add(&mut self, sample: Sample) {
        while self.0.front().is_some_and(|first| sample.at.duration_since(first.at) > KEPT) {
            self.0.pop_front();
        }
        self.0.push_back(sample);
    }

    pub(crate) fn samples(&self) -> Vec<Sample> {
        self.0.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_back_ten_minutes_and_no_further() {
        let (mut history, start) = (History::default(), Instant::now());
        for second in 0..1_000 {
            history.add(Sample {
                at: start + Duration::from_secs(second),
                over: Duration::from_secs(1),
                idle: 0,
                in_use: 0,
                opening: 0,
                waiting: 0,
                limit: 8,
                circuit: "closed",
                gets: second,
                errors: 0,
                timeouts: 0,
                retries: 0,
                waited: Quantiles::default(),
                used: Quantiles::default(),
            });
        }
        let gets: Vec<_> = history.samples().iter().map(|sample| sample.gets).collect();
        assert_eq!((gets.len(), gets[0], gets[600]), (601, 399, 999));
    }
}
