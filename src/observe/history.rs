//! The last minutes of a pool, second by second: what the dashboard draws when it is opened, from before it was.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::histogram::Distribution;

/// How far back it goes.
const KEPT: Duration = Duration::from_secs(600);

/// How a pool stood at one moment, and what it did since the one before.
#[derive(Debug, Clone)]
pub(crate) struct Moment {
    pub(crate) at: Instant,
    /// What the rates are over.
    pub(crate) over: Duration,
    pub(crate) idle: u32,
    pub(crate) in_use: u32,
    pub(crate) opening: u32,
    pub(crate) waiting: u32,
    pub(crate) limit: u32,
    pub(crate) circuit: &'static str,
    pub(crate) gets: u64,
    pub(crate) errors: u64,
    pub(crate) timeouts: u64,
    pub(crate) retries: u64,
    /// Only of what ended in this time.
    pub(crate) waited: Quantiles,
    pub(crate) used: Quantiles,
}

/// `None` where nothing was measured.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Quantiles {
    pub(crate) p50: Option<Duration>,
    pub(crate) p99: Option<Duration>,
}

impl Quantiles {
    pub(crate) fn of(distribution: &Distribution) -> Self {
        Self { p50: distribution.quantile(0.5), p99: distribution.quantile(0.99) }
    }
}

#[derive(Debug, Default)]
pub(crate) struct History(VecDeque<Moment>);

impl History {
    pub(crate) fn add(&mut self, moment: Moment) {
        while self.0.front().is_some_and(|first| moment.at.duration_since(first.at) > KEPT) {
            self.0.pop_front();
        }
        self.0.push_back(moment);
    }

    pub(crate) fn moments(&self) -> Vec<Moment> {
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
            history.add(Moment {
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
        let gets: Vec<_> = history.moments().iter().map(|moment| moment.gets).collect();
        assert_eq!((gets.len(), gets[0], gets[600]), (601, 399, 999));
    }
}
