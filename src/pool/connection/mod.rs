//! One server connection and what is remembered about it: its slot, its place in the pool's accounts, when it needs attention,
//! whether it has to be validated before its next use.

pub(super) mod next_wakeup;
pub(super) mod own_statements;
pub(super) mod place;
pub(super) mod registry;
pub(super) mod revalidation;
pub(super) mod server_connection;
pub(super) mod slot;
