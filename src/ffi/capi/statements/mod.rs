//! Statements on a connection: run at once or prepared, their rows in portions, COPY, pipelines.

pub(super) mod copy;
mod cursor;
pub(super) mod params;
pub(super) mod pipeline;
pub(super) mod query;
pub(super) mod statement;
pub(super) mod stream;
