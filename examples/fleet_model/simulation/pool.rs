//! One simulated pool.

use std::collections::VecDeque;
use std::time::Duration;

use super::Time;
use super::outcome::Outcome;
use super::scene::Process;
use crate::resilience::effective_limit::EffectiveLimit;
use crate::resilience::fleet::census::Id;
use crate::resilience::learned_limit::TryIntervals;

const LEARNED: TryIntervals =
    TryIntervals { first: Duration::from_millis(250), longest: Duration::from_secs(5) };

/// A pool with its callers.
pub(super) struct Pool {
    pub(super) id: Id,
    pub(super) process: Process,
    pub(super) limit: EffectiveLimit,
    pub(super) running: bool,
    pub(super) killed: bool,
    pub(super) idle: u32,
    /// A time, and the fewest connections that were idle at any moment since.
    pub(super) idle_since: (Time, u32),
    pub(super) in_use: u32,
    pub(super) opening: u32,
    pub(super) departing: u32,
    /// The callers that wait, by the time at which they came.
    pub(super) queue: VecDeque<Time>,
    pub(super) in_flight: usize,
    pub(super) timer: Option<Time>,
    /// Whether a retry is scheduled.
    pub(super) retries: bool,
    pub(super) outcome: Outcome,
}

impl Pool {
    pub(super) fn new(process: &Process, id: Id, shares: bool) -> Self {
        Self {
            id,
            process: *process,
            limit: EffectiveLimit::new(process.max_size, LEARNED, shares.then_some(id)),
            running: false,
            killed: false,
            idle: 0,
            idle_since: (0, 0),
            in_use: 0,
            opening: 0,
            departing: 0,
            queue: VecDeque::new(),
            in_flight: 0,
            timer: None,
            retries: false,
            outcome: Outcome::default(),
        }
    }

    /// Returns the connections that count against the limit.
    pub(super) fn live(&self) -> u32 {
        self.idle + self.in_use + self.opening + self.departing
    }

    /// Returns the open connections.
    pub(super) fn held(&self) -> u32 {
        self.idle + self.in_use
    }

    /// Returns the requests that its callers keep in flight now.
    pub(super) fn demand(&self, now: Time) -> usize {
        match self.process.quiet {
            _ if !self.running => 0,
            Some((from, to, few)) if (from..to).contains(&now) => few,
            _ => self.process.in_flight,
        }
    }
}
