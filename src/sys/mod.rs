//! Process and kernel: clock, fork, callbacks, locks, threads, unwinding, flags of sockets, work that runs at most once at a
//! time. Depends on no other room.

pub(crate) mod callback;
pub(crate) mod cancellation;
pub(crate) mod clock;
pub(crate) mod fork;
pub(crate) mod process_local;
pub(crate) mod single_flight;
pub(crate) mod socket;
pub(crate) mod sync;
pub(crate) mod thread;
pub(crate) mod thread_group;
pub(crate) mod timer;
pub(crate) mod unwind;
