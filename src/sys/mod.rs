//! Process and kernel: clock, fork, callbacks, locks, work that runs at most once at a time. Depends on no other room.

pub(crate) mod callback;
pub(crate) mod clock;
pub(crate) mod fork;
pub(crate) mod single_flight;
pub(crate) mod sync;
