//! Deciding when to try again. Knows kinds of failures and time, nothing of PostgreSQL's wire.

pub(crate) mod backoff;
pub(crate) mod breaker;
pub(crate) mod budget;
pub(crate) mod cap;
pub(crate) mod fleet;
pub(crate) mod limit;
pub(crate) mod ramp;
pub(crate) mod refusal;
pub(crate) mod repeat;
pub(crate) mod transaction;
