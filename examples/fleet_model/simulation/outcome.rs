//! The results of a scene.

use super::Time;

/// The result of one process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outcome {
    pub(crate) served: u32,
    pub(crate) first_served: Option<Time>,
    /// Connections held, at every tenth of a second.
    pub(crate) held: Vec<u32>,
}

/// The result of a scene.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outcomes {
    pub(crate) processes: Vec<Outcome>,
    pub(crate) failed: u32,
    /// In milliseconds, sorted.
    pub(crate) latencies: Vec<u32>,
    pub(crate) refused: u32,
    /// Refused connects after the first two seconds.
    pub(crate) refused_later: u32,
    pub(crate) censuses: u32,
    pub(crate) opens: u32,
}

impl Outcomes {
    /// Returns the requests served in all.
    pub(crate) fn served(&self) -> u32 {
        self.processes.iter().map(|process| process.served).sum()
    }

    /// Returns a percentile of the latencies, in milliseconds.
    pub(crate) fn percentile(&self, percent: usize) -> u32 {
        let index = self.latencies.len() * percent / 100;
        self.latencies.get(index.min(self.latencies.len().saturating_sub(1))).copied().unwrap_or(0)
    }

    /// Returns the requests served by the worst process, as a share of those served by the median one.
    pub(crate) fn fairness(&self) -> f64 {
        let mut served: Vec<u32> = self.processes.iter().map(|process| process.served).collect();
        served.sort_unstable();
        let median = served.get(served.len() / 2).copied().unwrap_or(0);
        f64::from(served.first().copied().unwrap_or(0)) / f64::from(median.max(1))
    }
}
