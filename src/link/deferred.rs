//! What a thread has put off, to be done before it waits for long: telling somebody something that can wait for a moment,
//! in which there may be more to tell.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

type Act = Box<dyn FnOnce()>;

/// Nothing is put off for longer than this, and the time it takes to wake up.
const LONGEST: Duration = Duration::from_micros(200);

thread_local! {
    // Apart from the act itself, and with nothing to drop: it is looked at before every wait.
    static UNTIL: Cell<Option<Instant>> = const { Cell::new(None) };
    static ACT: RefCell<Option<Act>> = const { RefCell::new(None) };
}

/// Has `act` done by this thread soon: when it would wait for a server for longer than a moment, or calls [`do_now`]. What
/// was put off before is done at once.
pub(crate) fn put_off(act: Act) {
    do_now();
    ACT.set(Some(act));
    UNTIL.set(Some(Instant::now() + LONGEST));
}

/// Until when this thread may wait before it does what it has put off; `None` when there is nothing.
#[inline]
pub(super) fn until() -> Option<Instant> {
    UNTIL.get()
}

/// Does what this thread has put off, if there is anything.
#[inline]
pub(crate) fn do_now() {
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
    fn what_was_put_off_is_done_once() {
        let done = Rc::new(Cell::new(0));
        let count = |by| {
            let done = done.clone();
            Box::new(move || done.set(done.get() + by))
        };
        put_off(count(1));
        assert_eq!(done.get(), 0);
        put_off(count(10));
        assert_eq!(done.get(), 1, "the first one is not lost");
        do_now();
        do_now();
        assert_eq!(done.get(), 11);
        assert!(until().is_none());
    }
}
