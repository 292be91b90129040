//! Fleets of pools as events in simulated time. The library's own code ([`EffectiveLimit`]) decides how many connections a pool
//! may have, gives back and waits for. Callers, connections and the server are simulated.
//!
//! [`EffectiveLimit`]: crate::resilience::effective_limit::EffectiveLimit

mod connections;
mod outcome;
mod pool;
mod scene;
mod world;

#[allow(unused_imports)] // The example names no type of results, its test does.
pub(crate) use outcome::Outcomes;
pub(crate) use scene::{Process, Scene};
pub(crate) use world::play;

/// In nanoseconds from the start.
type Time = u64;

pub(crate) const MS: Time = 1_000_000;
pub(crate) const SECOND: Time = 1_000 * MS;

/// The time that a request holds its connection.
const REQUEST_TIME: Time = 20 * MS;
/// A caller that waits for longer than this has failed.
const CALLER_TIMEOUT: Time = 8 * SECOND;
