//! Which connections are taken for good without asking them.
//!
//! Two things make the pool ask. A sibling found dead makes those suspect that were parked then; those that were lent have
//! been in use since, and speak for themselves. What concerns every connection, wherever it is (the machine stood still,
//! the primary moved), begins a new era: each has to prove itself before its next use, lent ones when they have come back.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use crate::sys::clock::Tick;

/// Which era it is; connections remember in which they last proved themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pool) struct Era(u32);

#[derive(Debug, Default)]
pub(in crate::pool) struct Trust {
    /// What was parked before this moment is suspect.
    suspect_before: AtomicU64,
    era: AtomicU32,
}

impl Trust {
    /// To be read before a connection is opened or asked, so that it counts for what was known then.
    #[inline]
    pub(in crate::pool) fn era(&self) -> Era {
        Era(self.era.load(Relaxed))
    }

    /// Everything parked so far must prove itself before its next use.
    pub(in crate::pool) fn suspect_all_parked(&self) {
        // One tick on: what was parked within the present tick is suspected too.
        let until = Tick::now().plus(Tick::RESOLUTION);
        self.suspect_before.fetch_max(until.to_word(), Relaxed);
    }

    /// Every connection must prove itself before its next use, because of what was seen on one that last did so in `seen`.
    /// `false` when a new era has begun since: that one says nothing new.
    pub(in crate::pool) fn begin_era_after(&self, seen: Era) -> bool {
        self.era.compare_exchange(seen.0, seen.0.wrapping_add(1), Relaxed, Relaxed).is_ok()
    }

    /// Whether one that was last heard of at `heard_at`, and proved itself in `era`, need not do so for what became known.
    #[inline]
    pub(in crate::pool) fn covers(&self, heard_at: Tick, era: Era) -> bool {
        heard_at >= Tick::from_word(self.suspect_before.load(Relaxed)) && era == self.era()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_sibling_makes_those_suspect_that_are_parked_and_no_others() {
        let trust = Trust::default();
        let (parked, era) = (Tick::now(), trust.era());
        assert!(trust.covers(parked, era));
        trust.suspect_all_parked();
        assert!(!trust.covers(parked, era));
        assert!(trust.covers(parked.plus(3 * Tick::RESOLUTION), era), "that one came back later");
    }

    #[test]
    fn a_new_era_concerns_all_and_is_begun_once_by_what_is_seen_at_many() {
        let trust = Trust::default();
        let old = trust.era();
        assert!(trust.begin_era_after(old));
        assert!(!trust.begin_era_after(old), "a second connection dies of the same");
        assert!(!trust.covers(Tick::now().plus(Tick::RESOLUTION), old), "lent ones included");
        assert!(trust.covers(Tick::now(), trust.era()));
        assert!(trust.begin_era_after(trust.era()), "something new");
    }
}
