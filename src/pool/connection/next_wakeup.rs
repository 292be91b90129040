//! The time at which housekeeping runs next. Read on every return, so it is one atomic.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::sys::clock::Tick;

pub(in crate::pool) struct NextWakeup(AtomicU64);

const UNSET: u64 = u64::MAX;

impl Default for NextWakeup {
    fn default() -> Self {
        Self(AtomicU64::new(UNSET))
    }
}

impl NextWakeup {
    #[inline]
    pub(in crate::pool) fn is_after(&self, due: Tick) -> bool {
        due.to_word() < self.0.load(Ordering::Relaxed)
    }

    /// Moves the wakeup to `due`. Returns `false` when it is due then or earlier already.
    pub(in crate::pool) fn advance_to(&self, due: Tick) -> bool {
        self.0.fetch_min(due.to_word(), Ordering::AcqRel) > due.to_word()
    }

    /// Clears the wakeup when the timer set for `due` fires. Returns `false` when it was moved since: another timer stands for
    /// it, and if this one set the next timer too, there would be one more of them each time.
    pub(in crate::pool) fn fires(&self, due: Tick) -> bool {
        self.0.compare_exchange(due.to_word(), UNSET, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wakeup_that_was_moved_fires_once() {
        let (next_wakeup, early, late) = (NextWakeup::default(), Tick::from_word(10), Tick::from_word(20));
        assert!(next_wakeup.advance_to(late), "a first timer, for 20");
        assert!(next_wakeup.advance_to(early), "a second one, for 10");
        assert!(next_wakeup.fires(early));
        assert!(next_wakeup.advance_to(late), "housekeeping sets a third one, for 20");
        assert!(next_wakeup.fires(late), "whichever of the two for 20 comes first");
        assert!(!next_wakeup.fires(late), "the other finds that it is not needed");
    }
}
