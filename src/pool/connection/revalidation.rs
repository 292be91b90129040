//! Tracks which idle connections must be revalidated before reuse.
//!
//! There are two causes. A dead sibling makes the connections suspect that were parked then; checked-out ones have been in
//! use since, and their use shows their state. An event that concerns every connection (the machine stood still, the primary
//! moved) begins a new epoch: each connection is validated before its next use, checked-out ones after their return.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use crate::sys::clock::Tick;

/// The number of an epoch. Each connection records the one in which it was last validated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pool) struct Epoch(u32);

#[derive(Debug, Default)]
pub(in crate::pool) struct Revalidation {
    /// Connections parked before this moment are suspect.
    suspect_before: AtomicU64,
    epoch: AtomicU32,
}

impl Revalidation {
    /// Returns the present epoch. Read before a connection is opened or checked, so that later events still apply to it.
    #[inline]
    pub(in crate::pool) fn epoch(&self) -> Epoch {
        Epoch(self.epoch.load(Relaxed))
    }

    /// Requires every connection parked so far to be validated before its next use.
    pub(in crate::pool) fn suspect_all_parked(&self) {
        // One tick on: connections parked within the present tick are suspect too.
        let until = Tick::now().plus(Tick::RESOLUTION);
        self.suspect_before.fetch_max(until.to_word(), Relaxed);
    }

    /// Requires every connection to be validated before its next use, because of an event on one last validated in `seen`.
    /// Returns `false` when a new epoch has begun since: then the event is nothing new.
    pub(in crate::pool) fn begin_epoch_after(&self, seen: Epoch) -> bool {
        self.epoch.compare_exchange(seen.0, seen.0.wrapping_add(1), Relaxed, Relaxed).is_ok()
    }

    /// Returns whether a connection last heard of at `heard_at`, and last validated in `epoch`, may be reused without a check.
    #[inline]
    pub(in crate::pool) fn allows_reuse(&self, heard_at: Tick, epoch: Epoch) -> bool {
        heard_at >= Tick::from_word(self.suspect_before.load(Relaxed)) && epoch == self.epoch()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_sibling_makes_those_suspect_that_are_parked_and_no_others() {
        let revalidation = Revalidation::default();
        let (parked, epoch) = (Tick::now(), revalidation.epoch());
        assert!(revalidation.allows_reuse(parked, epoch));
        revalidation.suspect_all_parked();
        assert!(!revalidation.allows_reuse(parked, epoch));
        assert!(
            revalidation.allows_reuse(parked.plus(3 * Tick::RESOLUTION), epoch),
            "that one came back later"
        );
    }

    #[test]
    fn a_new_epoch_concerns_all_and_is_begun_once_by_what_is_seen_at_many() {
        let revalidation = Revalidation::default();
        let old = revalidation.epoch();
        assert!(revalidation.begin_epoch_after(old));
        assert!(!revalidation.begin_epoch_after(old), "a second connection dies of the same");
        assert!(
            !revalidation.allows_reuse(Tick::now().plus(Tick::RESOLUTION), old),
            "those checked out included"
        );
        assert!(revalidation.allows_reuse(Tick::now(), revalidation.epoch()));
        assert!(revalidation.begin_epoch_after(revalidation.epoch()), "something new");
    }
}
