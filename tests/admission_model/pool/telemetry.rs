//! The library's own counters.

#[path = "../../../src/pool/telemetry/stats.rs"]
pub(crate) mod stats;
