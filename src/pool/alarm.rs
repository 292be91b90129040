//! When housekeeping runs next; read on every return, so it is one atomic.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::Tick;

pub(super) struct Alarm(AtomicU64);

const UNSET: u64 = u64::MAX;

impl Default for Alarm {
    fn default() -> Self {
        Self(AtomicU64::new(UNSET))
    }
}

impl Alarm {
    #[inline]
    pub(super) fn rings_after(&self, due: Tick) -> bool {
        due.to_word() < self.0.load(Ordering::Relaxed)
    }

    /// `false` when it rings at `due` or earlier already.
    pub(super) fn advance_to(&self, due: Tick) -> bool {
        self.0.fetch_min(due.to_word(), Ordering::AcqRel) > due.to_word()
    }

    pub(super) fn unset(&self) {
        self.0.store(UNSET, Ordering::Release);
    }
}
