//! Scenes: the server, the processes and what happens to them.

use super::{MS, Time};

/// One process with one pool.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Process {
    pub(crate) starts: Time,
    /// When it is killed, in the middle of its work.
    pub(crate) killed: Option<Time>,
    /// When it is told to stop: it finishes its requests and begins no more.
    pub(crate) stops: Option<Time>,
    pub(crate) max_size: u32,
    /// Requests kept in flight.
    pub(crate) in_flight: usize,
    /// From, until, and the requests in flight between the two.
    pub(crate) quiet: Option<(Time, Time, usize)>,
}

impl Process {
    pub(crate) fn usual(starts: Time) -> Self {
        Self { starts, killed: None, stops: None, max_size: 8, in_flight: 16, quiet: None }
    }
}

/// A fleet on one server, for a span of time.
#[derive(Debug, Clone)]
pub(crate) struct Scene {
    pub(crate) slots: u32,
    /// Sessions of programs without fleet sharing.
    pub(crate) others: u32,
    pub(crate) span: Time,
    pub(crate) processes: Vec<Process>,
    /// Whether pools share; if not, each has its learned limit alone.
    pub(crate) share: bool,
    pub(crate) seed: u64,
}

impl Scene {
    /// Returns a scene of `count` processes that start within the first half second.
    pub(crate) fn of(count: usize, slots: u32, span: Time) -> Self {
        let mut rng = fastrand::Rng::with_seed(count as u64);
        let processes = (0..count).map(|_| Process::usual(rng.u64(0..500 * MS))).collect();
        Self { slots, others: 0, span, processes, share: true, seed: 7 }
    }
}
