//! Statements: texts and values, their preparation, the cache of prepared ones, and the ways to run them.

#[cfg(feature = "capi")]
pub(super) mod batch;
pub(super) mod mode;
pub(super) mod once;
pub(super) mod pipeline;
mod plan;
pub(super) mod prepare;
pub(super) mod prepared;
pub(super) mod query;
pub(super) mod script;
pub(super) mod statement;
pub(super) mod statement_cache;
pub(super) mod values;
