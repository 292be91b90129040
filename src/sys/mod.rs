//! Process and kernel: clock, fork, callbacks, locks, threads, unwinding, flags of sockets, work that runs at most once at a
//! time. Depends on no other room.

pub(crate) mod callback;
pub(crate) mod cancellation;
pub(crate) mod clock;
#[cfg(feature = "capi")]
pub(crate) mod errno;
pub(crate) mod fork;
#[cfg(any(feature = "capi", test))]
pub(crate) mod gate;
pub(crate) mod process_local;
pub(crate) mod single_flight;
pub(crate) mod socket;
#[cfg(not(holdfast_instrumented_locks))]
pub(crate) mod sync;
/// ThreadSanitizer does not see into the standard library as it comes with the compiler, so that what std's locks order looks like
/// a race. It sees parking_lot's, which are compiled with the crate (`tests/sanitize`).
#[cfg(holdfast_instrumented_locks)]
pub(crate) mod sync {
    pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard, RwLock};
}
pub(crate) mod thread;
pub(crate) mod thread_group;
pub(crate) mod timer;
pub(crate) mod unwind;
