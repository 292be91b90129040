//! Counters and totals of a pool.

pub(super) mod stats;
pub(super) mod totals;
