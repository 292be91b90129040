//! Servers that cannot be used: out of reach, full, or failing permanently. Shared by all pools of the process.

pub(super) mod coordinator;
pub(super) mod fail_fast;
pub(super) mod full_server;
pub(super) mod permanent_failure;
pub(super) mod probe;
