//! Flow: the life of a connection, in this order: acquire, open, validate, give back, settle, park, close. Acts on what the
//! parts decide.

pub(super) mod acquire;
mod attempts;
mod clock_jump;
mod close;
mod give_back;
mod housekeeping;
mod keepalive;
mod open;
pub(super) mod retry_budget;
pub(super) mod set_up;
mod settle;
pub(super) mod shutdown;
mod sizes;
mod validate;
