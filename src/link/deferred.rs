//! Defers a notification until this thread is about to block (at most 200 µs), so that several completions are announced
//! together.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

type Act = Box<dyn FnOnce()>;

/// The longest that a notification is deferred, not counting the time to wake up.
const LONGEST_DEFERRAL: Duration = Duration::from_micros(200);

thread_local! {
    // Apart from the act, and with nothing to drop: every wait checks it.
    static UNTIL: Cell<Option<Instant>> = const { Cell::new(None) };
    static ACT: RefCell<Option<Act>> = const { RefCell::new(None) };
}

/// Defers `act` until this thread would wait for a server past [`LONGEST_DEFERRAL`] or calls [`run_deferred`]. An act
/// deferred before runs at once.
pub(crate) fn defer(act: Act) {
    run_deferred();
    ACT.set(Some(act));
    UNTIL.set(Some(Instant::now() + LONGEST_DEFERRAL));
}

/// Returns the latest moment at which this thread must run its deferred act; `None` when there is none.
#[inline]
pub(super) fn until() -> Option<Instant> {
    UNTIL.get()
}

/// Runs this thread's deferred act, if there is one.
#[inline]
pub(crate) fn run_deferred() {
    if UNTIL.take().is_some()
        && let Some(act) = ACT.take()
    {
        act();
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    #[test]
    fn a_deferred_act_runs_once() {
        let done = Rc::new(Cell::new(0));
        let count = |by| {
            let done = done.clone();
            Box::new(move || done.set(done.get() + by))
        };
        defer(count(1));
        assert_eq!(done.get(), 0);
        defer(count(10));
        assert_eq!(done.get(), 1, "the first one is not lost");
        run_deferred();
        run_deferred();
        assert_eq!(done.get(), 11);
        assert!(until().is_none());
    }
}
