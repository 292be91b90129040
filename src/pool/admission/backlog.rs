//! The backlog: submitted requests that wait for a connection without a thread of their own. They count as waiters.

#[cfg(feature = "capi")]
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::sys::sync::Mutex;

#[cfg(feature = "capi")]
use super::load_shedding::Shed;
#[cfg(feature = "capi")]
use super::{Admission, Pooled};

/// The number of requests in the backlog, and the time of the oldest. Written by the queue that has them, read by the pool.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    waiting: AtomicU32,
    oldest: Mutex<Option<Instant>>,
}

impl Backlog {
    /// Sets both. Calls must not overlap: the queue's lock is held.
    #[cfg(feature = "capi")]
    pub(crate) fn set(&self, waiting: usize, oldest: Option<Instant>) {
        let waiting = u32::try_from(waiting).unwrap_or(u32::MAX);
        // While connections suffice, nothing waits: then this costs one load.
        if waiting == 0 && self.waiting() == 0 {
            return;
        }
        self.waiting.store(waiting, Relaxed);
        *self.oldest.lock() = oldest;
    }

    pub(super) fn waiting(&self) -> u32 {
        self.waiting.load(Relaxed)
    }

    pub(super) fn oldest(&self) -> Option<Duration> {
        let oldest = *self.oldest.lock();
        oldest.map(|since| since.elapsed())
    }
}

#[cfg(feature = "capi")]
impl<P: Pooled> Admission<P> {
    pub(in crate::pool) fn backlog(&self) -> Arc<Backlog> {
        self.backlog.clone()
    }

    /// Returns why another request may not join the backlog, if so many wait as `max_waiting` allows.
    pub(in crate::pool) fn sheds_submission(&self) -> Option<Shed> {
        let mut state = self.state.lock();
        let shed = state.is_full_of_waiters()?;
        state.counters.shed += 1;
        Some(shed)
    }
}
