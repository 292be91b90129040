//! What needs no pool: texts, status codes, errors, quoting, versions.

pub(super) mod error;
pub(super) mod gauges;
mod quote;
pub(super) mod status;
pub(super) mod text;
pub(super) mod version;
