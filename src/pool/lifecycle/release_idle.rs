//! Letting go of what is idle ahead of its time: for a process that is about to be frozen, as functions in a cloud are
//! between two calls. While it is frozen its timers are too, and its sessions would keep their slots.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::pool::core::Inner;
use crate::pool::telemetry::stats::CloseReason;

impl Inner {
    /// Closes what is idle and waits, for at most `settle_timeout`, until the server has let go of it.
    pub(in crate::pool) fn release_idle(self: &Arc<Self>) -> u32 {
        // Or `min_idle` would be filled again at once.
        self.rests.store(true, Ordering::Release);
        let idle = self.admission.release_idle();
        let count = idle.len() as u32;
        for conn in idle {
            self.see_off(conn, CloseReason::Released);
        }
        if count > 0 {
            self.admission.wait_departed(Instant::now() + self.settings.settle_timeout);
        }
        count
    }

    /// Whether idle connections were released and nobody has wanted one since: then nothing is opened ahead of need.
    pub(in crate::pool) fn rests(&self) -> bool {
        self.rests.load(Ordering::Acquire)
    }

    /// Somebody wants a connection again.
    pub(in crate::pool) fn end_rest(self: &Arc<Self>) {
        if self.rests() && self.rests.swap(false, Ordering::AcqRel) {
            self.refill();
        }
    }
}
