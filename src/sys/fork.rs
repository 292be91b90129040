//! Detects that this process is the child of a `fork`.
//!
//! A child shares its parent's sockets and epoll descriptors: a `Terminate` or a `shutdown(2)` sent by the child would
//! cut the parent's sessions, and a lock that another thread of the parent held at the fork stays locked for ever. So
//! every entry of the library compares generations before it touches a lock or a socket. `getpid` would serve as well but
//! costs a system call (190 ns measured) on a path that is counted in nanoseconds.

#![allow(unsafe_code)]

use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

static GENERATION: AtomicU32 = AtomicU32::new(0);

extern "C" fn count_in_child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
}

/// The number of forks since the library was first used, which identifies a process. Two values that differ were taken on
/// different sides of a fork.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Generation(u32);

impl Generation {
    /// Returns the present generation. The first call starts the count.
    pub(crate) fn watch() -> Self {
        static REGISTERED: Once = Once::new();
        REGISTERED.call_once(|| {
            // SAFETY: the handler is a plain function that lives as long as the program and does one atomic addition,
            // which is async-signal-safe, as a handler that runs in a forked child must be.
            let status = unsafe { libc::pthread_atfork(None, None, Some(count_in_child)) };
            if status != 0 {
                log::warn!(
                    "pthread_atfork failed with {status}: use of a pool after fork will not be noticed"
                );
            }
        });
        Self::now()
    }

    fn now() -> Self {
        Self(GENERATION.load(Ordering::Relaxed))
    }

    /// Returns whether the process has forked since, and this is the child.
    pub(crate) fn is_past(self) -> bool {
        self != Self::now()
    }
}
