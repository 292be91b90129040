//! Part: what a pool remembers for its reports: counters, totals, the sampler's state, explanations of exhaustion.

pub(super) mod exhaustion;
pub(super) mod sampler;
pub(super) mod stats;
pub(super) mod totals;
