//! Part: a server connection and its state: its slot, its place in the pool's accounts, when it needs housekeeping, whether it
//! must be validated before its next use.

pub(super) mod clock_offset;
pub(super) mod fate;
pub(super) mod next_wakeup;
pub(super) mod origin;
pub(super) mod own_statements;
pub(super) mod place;
pub(super) mod registry;
pub(super) mod revalidation;
pub(super) mod server_connection;
pub(super) mod server_slots;
pub(super) mod session_reset;
pub(super) mod slot;
pub(super) mod slot_thread;
pub(super) mod validation;
