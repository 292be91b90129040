//! Deciding when to try again. Knows kinds of failures and time, nothing of PostgreSQL's wire.

pub(crate) mod backoff;
pub(crate) mod breaker;
pub(crate) mod budget;
pub(crate) mod effective_limit;
pub(crate) mod fleet;
pub(crate) mod learned_limit;
pub(crate) mod permanent_failure;
pub(crate) mod slow_start;
pub(crate) mod statement_retry;
pub(crate) mod transaction_retry;
