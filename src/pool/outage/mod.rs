//! Part: servers that cannot be used: out of reach, or failing permanently. The coordinator is shared by all pools of the
//! process that reach a server alike.

pub(super) mod coordinator;
pub(super) mod last_failure;
pub(super) mod permanent_failure;
