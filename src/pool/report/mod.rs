//! Flow: the reports of a pool: events and log records, health, history, the metrics, the holders of its connections.

pub(super) mod checkout;
pub(super) mod emit;
pub(super) mod explain_exhaustion;
pub(super) mod health;
pub(super) mod observe;
pub(super) mod sample;
