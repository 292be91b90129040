//! Calling into the program. Whatever code of the program the library calls on its own account (a log sink, a queue's
//! "ready") runs through here, so that a thread knows that it is inside one, and so that no panic comes out of it.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    // Nothing to drop: readable at any time in the life of a thread.
    static RUNNING: Cell<bool> = const { Cell::new(false) };
}

/// Whether the present thread is inside a callback. What blocks must refuse then: the thread may be the one that closes
/// idle connections, or the one that the awaited thing needs.
#[inline]
pub(crate) fn is_running() -> bool {
    RUNNING.get()
}

/// Runs a callback. A panic in it ends here; the panic hook has told of it. Call it with no lock held.
pub(crate) fn run(callback: impl FnOnce()) {
    /// Panics included, the thread leaves as it came.
    struct Leave(bool);

    impl Drop for Leave {
        fn drop(&mut self) {
            RUNNING.set(self.0);
        }
    }

    let _leave = Leave(RUNNING.replace(true));
    let _ = catch_unwind(AssertUnwindSafe(callback));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_knows_that_it_is_inside_a_callback_until_it_has_left_however_it_left() {
        assert!(!is_running());
        run(|| {
            run(|| panic!("a slip of the program's"));
            assert!(is_running(), "still inside the outer one");
            assert!(!std::thread::spawn(is_running).join().unwrap(), "another thread is not");
        });
        assert!(!is_running());
    }
}
