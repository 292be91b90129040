//! Detects that this process is the child of a `fork`, and keeps forks waiting while something is half done.
//!
//! A child shares its parent's sockets and epoll descriptors: a `Terminate` or a `shutdown(2)` sent by the child would
//! cut the parent's sessions, and a lock that another thread of the parent held at the fork stays locked for ever. So
//! every entry of the library compares generations before it touches a lock or a socket, and what belongs to the process as
//! a whole is a [`ProcessLocal`](super::process_local::ProcessLocal). `getpid` would serve as well but costs a system call
//! (190 ns measured) on a path that is counted in nanoseconds.

#![allow(unsafe_code)]

use std::cell::{Cell, UnsafeCell};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

use super::sync::{Mutex, MutexGuard};

static GENERATION: AtomicU32 = AtomicU32::new(0);

/// Held by a [`ForkBarrier`], and by a thread that forks while it does.
static FORKS: Mutex<()> = Mutex::new(());

/// The guard of `FORKS` of the thread that forks.
struct ForkingThread(UnsafeCell<Option<MutexGuard<'static, ()>>>);

// SAFETY: only the thread that holds `FORKS` reads or writes it.
unsafe impl Sync for ForkingThread {}

static FORKING: ForkingThread = ForkingThread(UnsafeCell::new(None));

thread_local! {
    // Has no destructor: readable at any time in the life of a thread.
    static HAS_BARRIER: Cell<bool> = const { Cell::new(false) };
}

extern "C" fn wait_for_barriers() {
    // A signal handler of the program's that forks on top of a barrier would otherwise wait for itself.
    if !HAS_BARRIER.get() {
        let guard = FORKS.lock();
        // SAFETY: `FORKS` is held.
        unsafe { *FORKING.0.get() = Some(guard) };
    }
}

extern "C" fn resume() {
    if !HAS_BARRIER.get() {
        // SAFETY: this thread, or the one in the parent that it is the copy of, holds `FORKS` since `wait_for_barriers`.
        drop(unsafe { (*FORKING.0.get()).take() });
    }
}

extern "C" fn count_and_resume() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
    resume();
}

/// Keeps every fork of the process waiting until dropped. For moves that take microseconds and would leave a child with a
/// state that nothing could repair. No callback may run meanwhile: it could fork.
pub(crate) struct ForkBarrier(#[expect(dead_code, reason = "holds the lock")] MutexGuard<'static, ()>);

impl ForkBarrier {
    pub(crate) fn raise() -> Self {
        Generation::watch();
        let guard = FORKS.lock();
        HAS_BARRIER.set(true);
        Self(guard)
    }
}

impl Drop for ForkBarrier {
    fn drop(&mut self) {
        HAS_BARRIER.set(false);
    }
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
            // SAFETY: the handlers are plain functions that live as long as the program. In the child they do an atomic
            // addition and release a lock that the thread itself holds, which waits for nothing.
            let status = unsafe {
                libc::pthread_atfork(Some(wait_for_barriers), Some(resume), Some(count_and_resume))
            };
            if status != 0 {
                log::warn!(
                    target: "holdfast",
                    "pthread_atfork failed with {status}: use of a pool after fork will not be noticed"
                );
            }
        });
        Self::now()
    }

    pub(super) fn now() -> Self {
        Self(GENERATION.load(Ordering::Relaxed))
    }

    /// Returns whether the process has forked since, and this is the child.
    pub(crate) fn is_past(self) -> bool {
        self != Self::now()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn a_fork_waits_for_a_barrier_of_another_thread_and_not_for_one_of_its_own() {
        let fork = || {
            // SAFETY: the child leaves at once by `_exit`.
            unsafe {
                match libc::fork() {
                    0 => libc::_exit(0),
                    child => libc::waitpid(child, std::ptr::null_mut(), 0),
                }
            }
        };
        let begun = Instant::now();
        let barrier = ForkBarrier::raise();
        assert!(fork() > 0, "this thread's own barrier does not stop it");
        let forking = std::thread::spawn(move || {
            assert!(fork() > 0);
            begun.elapsed()
        });
        std::thread::sleep(Duration::from_millis(50));
        drop(barrier);
        assert!(forking.join().unwrap() >= Duration::from_millis(50));
    }
}
