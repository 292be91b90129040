//! Callbacks into the program (a log sink, a queue's "ready"). All of them run through here, which marks the thread as inside
//! a callback and contains panics.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    // Has no destructor: readable at any time in the life of a thread.
    static RUNNING: Cell<bool> = const { Cell::new(false) };
}

/// Returns whether the present thread is inside a callback. Blocking calls must refuse then: the thread may be the one that
/// closes idle connections, or the one that the call would wait for.
#[inline]
pub(crate) fn is_running() -> bool {
    RUNNING.get()
}

/// Runs a callback. A panic in it ends here; the panic hook has reported it. Must be called with no lock held.
pub(crate) fn run(callback: impl FnOnce()) {
    /// Restores the thread's mark on every way out, panics included.
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
            run(|| panic!("a bug of the program's"));
            assert!(is_running(), "still inside the outer one");
            assert!(!std::thread::spawn(is_running).join().unwrap(), "another thread is not");
        });
        assert!(!is_running());
    }
}
