//! When housekeeping runs next; read on every return, so it is one atomic.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::sys::clock::Tick;

pub(in crate::pool) struct Alarm(AtomicU64);

const UNSET: u64 = u64::MAX;

impl Default for Alarm {
    fn default() -> Self {
        Self(AtomicU64::new(UNSET))
    }
}

impl Alarm {
    #[inline]
    pub(in crate::pool) fn rings_after(&self, due: Tick) -> bool {
        due.to_word() < self.0.load(Ordering::Relaxed)
    }

    /// `false` when it rings at `due` or earlier already.
    pub(in crate::pool) fn advance_to(&self, due: Tick) -> bool {
        self.0.fetch_min(due.to_word(), Ordering::AcqRel) > due.to_word()
    }

    /// The timer set for `due` fires. `false` when the alarm was moved since: another timer stands for it, and if this
    /// one set the next alarm too, there would be one more of them each time.
    pub(in crate::pool) fn rings(&self, due: Tick) -> bool {
        self.0.compare_exchange(due.to_word(), UNSET, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_that_was_moved_rings_once() {
        let (alarm, early, late) = (Alarm::default(), Tick::from_word(10), Tick::from_word(20));
        assert!(alarm.advance_to(late), "a first timer, for 20");
        assert!(alarm.advance_to(early), "a second one, for 10");
        assert!(alarm.rings(early));
        assert!(alarm.advance_to(late), "housekeeping sets a third one, for 20");
        assert!(alarm.rings(late), "whichever of the two for 20 comes first");
        assert!(!alarm.rings(late), "the other finds that it is not needed");
    }
}
