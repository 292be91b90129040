//! The explanations that a pool makes by itself of who holds its connections: the last one, and the one under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::observe::exhaustion::Exhaustion;
use crate::sys::clock::Tick;
use crate::sys::sync::Mutex;

/// The shortest interval between explanations that the pool makes by itself.
const MIN_EXPLAIN_INTERVAL: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(in crate::pool) struct Explanations {
    last: Mutex<Option<Arc<Exhaustion>>>,
    /// The pool's view, which still lacks the server's.
    pending: Mutex<Option<Exhaustion>>,
    /// The server is to be asked over the next connection that comes back. Read at every return.
    wanted: AtomicBool,
    /// The time of the last explanation, as a [`Tick`]; 0 for never.
    at: AtomicU64,
}

impl Explanations {
    #[inline]
    pub(in crate::pool) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }

    /// Returns whether an explanation is due. Then the caller is the one that makes it.
    pub(in crate::pool) fn begin(&self, now: Tick) -> bool {
        let before = self.at.load(Ordering::Relaxed);
        let is_recent = before != 0 && now.since(Tick::from_word(before)) < MIN_EXPLAIN_INTERVAL;
        let claim = || self.at.compare_exchange(before, now.to_word(), Ordering::AcqRel, Ordering::Relaxed);
        !is_recent && claim().is_ok()
    }

    /// Keeps the pool's view until the server's is known.
    pub(in crate::pool) fn await_server(&self, found: Exhaustion) {
        let before = self.pending.lock().replace(found);
        drop(before);
        self.wanted.store(true, Ordering::Release);
    }

    /// Ends the wait for a connection: one was found.
    pub(in crate::pool) fn found_connection(&self) {
        self.wanted.store(false, Ordering::Release);
    }

    /// Takes the pool's view, to be completed.
    pub(in crate::pool) fn take_pending(&self) -> Option<Exhaustion> {
        self.found_connection();
        self.pending.lock().take()
    }

    pub(in crate::pool) fn complete(&self, found: Exhaustion) -> Arc<Exhaustion> {
        let found = Arc::new(found);
        let before = self.last.lock().replace(found.clone());
        drop(before);
        found
    }

    pub(in crate::pool) fn last(&self) -> Option<Arc<Exhaustion>> {
        self.last.lock().clone()
    }
}
