//! The life of a connection, in this order: acquire, open, validate, give back, evict, shut down. Carries out what
//! the other modules decide.

pub(super) mod acquire;
pub(super) mod background_open;
pub(super) mod capacity;
pub(super) mod clock_jump;
pub(super) mod failpoint;
pub(super) mod give_back;
pub(super) mod housekeeping;
pub(super) mod keepalive;
pub(super) mod open;
pub(super) mod release_idle;
pub(super) mod retry_budget;
pub(super) mod role_change;
pub(super) mod shutdown;
pub(super) mod validate;
