//! The reports of a pool: events and log records, health, history, the metrics snapshot, the holders of its connections.

pub(super) mod checkout;
pub(super) mod emit;
pub(super) mod explain_exhaustion;
pub(super) mod health;
pub(super) mod sampler;
pub(super) mod snapshot;
