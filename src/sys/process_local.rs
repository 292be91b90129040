//! Values of the process as a whole, of which a forked child has its own.

#![allow(unsafe_code)]

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use super::fork::Generation;

/// A value that is made at its first use in a process. A child makes another: locks in its parent's may be held by threads
/// that the child does not have. The parent's value is never dropped in the child.
pub(crate) struct ProcessLocal<T: 'static> {
    latest: AtomicPtr<Node<T>>,
    make: fn() -> T,
}

struct Node<T> {
    generation: Generation,
    value: T,
    /// The values of this process' forebears: reachable, so that no tool takes them for lost memory.
    #[expect(dead_code, reason = "keeps them reachable")]
    inherited: *mut Node<T>,
}

impl<T: Sync + Send> ProcessLocal<T> {
    pub(crate) const fn new(make: fn() -> T) -> Self {
        Self { latest: AtomicPtr::new(ptr::null_mut()), make }
    }

    /// Returns this process' value. Waits for nothing, and so may be called with any lock held.
    pub(crate) fn get(&'static self) -> &'static T {
        let generation = Generation::watch();
        let mut latest = self.latest.load(Ordering::Acquire);
        loop {
            // SAFETY: NULL, or a node that was put there below and is never freed.
            if let Some(node) = unsafe { latest.as_ref() }
                && node.generation == generation
            {
                return &node.value;
            }
            let made = Node { generation, value: (self.make)(), inherited: latest };
            let made = Box::into_raw(Box::new(made));
            match self.latest.compare_exchange(latest, made, Ordering::AcqRel, Ordering::Acquire) {
                // SAFETY: as above.
                Ok(_) => return unsafe { &(*made).value },
                Err(others) => {
                    // SAFETY: it came out of a box above, and no other thread has seen it.
                    drop(unsafe { Box::from_raw(made) });
                    latest = others;
                }
            }
        }
    }
}

// SAFETY: shares only `&T`, which may be used on any thread.
unsafe impl<T: Sync + Send> Sync for ProcessLocal<T> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::sync::Mutex;

    static SHARED: ProcessLocal<Mutex<u32>> = ProcessLocal::new(Mutex::default);

    #[test]
    fn a_child_has_a_value_of_its_own_even_if_its_parents_is_locked() {
        *SHARED.get().lock() = 7;
        let locked = SHARED.get().lock();
        // SAFETY: the child takes a lock of its own only, and leaves by `_exit`.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let own = SHARED.get().try_lock().map(|value| *value);
            // SAFETY: always sound.
            unsafe { libc::_exit(i32::from(own != Some(0))) };
        }
        let mut status = 0;
        // SAFETY: `status` is writable.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0, "{status}");
        assert_eq!(*locked, 7);
    }
}
