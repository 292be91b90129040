//! What process and kernel impose on the library: clock, fork, callbacks, locks, work that runs at most once at a time. Knows
//! nothing of the rest.

pub(crate) mod callback;
pub(crate) mod clock;
pub(crate) mod fork;
pub(crate) mod single_flight;
pub(crate) mod sync;
