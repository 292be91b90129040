//! Callbacks into the program (a log sink, a queue's "ready"). All of them run through here, which marks the thread as inside
//! a callback and contains panics. A forced unwind (`pthread_exit`) passes; see [`unwind`](super::unwind).

use std::cell::Cell;

use super::cancellation;
use super::unwind::catch_panic;

thread_local! {
    // These have no destructor: readable at any time in the life of a thread.
    static RUNNING: Cell<bool> = const { Cell::new(false) };
    /// A callback ended this thread, and what is on its stack is being dropped.
    static ENDS: Cell<bool> = const { Cell::new(false) };
    /// The pool for which this thread is inside the program's function that sets up sessions; 0 for none.
    static SETS_UP_FOR: Cell<usize> = const { Cell::new(0) };
}

/// Marks the thread as inside the function that sets up sessions of a pool, which `address` distinguishes from others.
pub(crate) fn set_up_for(address: usize) -> SetUpMark {
    SetUpMark { before: SETS_UP_FOR.replace(address) }
}

/// Returns whether the present thread sets up a session of this pool: it cannot wait for another one.
#[inline]
pub(crate) fn sets_up_for(address: usize) -> bool {
    SETS_UP_FOR.get() == address
}

/// Restores the mark before, on every way out.
#[must_use]
pub(crate) struct SetUpMark {
    before: usize,
}

impl Drop for SetUpMark {
    fn drop(&mut self) {
        SETS_UP_FOR.set(self.before);
    }
}

/// Returns whether the present thread is inside a callback. Blocking calls must refuse then: the thread may be the one that
/// closes idle connections, or the one that the call would wait for.
#[inline]
pub(crate) fn is_running() -> bool {
    RUNNING.get()
}

/// Notes that the program has called the library: this thread goes on, whatever unwound on it before (an exception, say).
#[cfg(any(feature = "capi", test))]
#[inline]
pub(crate) fn thread_goes_on() {
    ENDS.set(false);
}

/// Restores the thread's mark on every way out, panics included.
struct Leave {
    was_running: bool,
    has_returned: bool,
}

impl Drop for Leave {
    fn drop(&mut self) {
        RUNNING.set(self.was_running);
        if !self.has_returned {
            ENDS.set(true);
        }
    }
}

/// Runs a callback. A panic in it ends here; the panic hook has reported it. Must be called with no lock held.
///
/// Does nothing on a thread that a callback has ended: an event about what is dropped on the way would end it once more, in
/// the midst of dropping.
pub(crate) fn run(callback: impl FnOnce()) {
    if ENDS.get() {
        return;
    }
    let mut leave = Leave { was_running: RUNNING.replace(true), has_returned: false };
    let _ = catch_panic(|| {
        let _chosen = cancellation::as_the_program_chose();
        callback();
    });
    leave.has_returned = true;
}

/// Runs a function of the program's that may call the library as any other code may, such as the body of a transaction.
pub(crate) fn run_body<T>(body: impl FnOnce() -> T) -> T {
    let mut leave = Leave { was_running: RUNNING.get(), has_returned: false };
    let _chosen = cancellation::as_the_program_chose();
    let returned = body();
    leave.has_returned = true;
    returned
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

    #[test]
    fn a_thread_that_is_being_ended_calls_back_no_more_until_it_calls_again() {
        let mut calls = 0;
        let ended = catch_panic(|| run_body(|| panic!("as if the body had ended the thread")));
        assert!(ended.is_err());
        run(|| calls += 1);
        thread_goes_on();
        run(|| calls += 1);
        assert_eq!(calls, 1);
    }
}
