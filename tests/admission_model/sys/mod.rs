//! The clock is the library's; the locks are shuttle's.

#[path = "../../../src/sys/clock.rs"]
pub(crate) mod clock;
pub(crate) mod sync;
