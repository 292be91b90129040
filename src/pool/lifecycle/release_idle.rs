//! Closes idle connections ahead of their time: for a process that is about to be frozen, as cloud functions are between two
//! calls. Its timers are frozen with it, and its sessions would keep their slots.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::pool::core::Core;
use crate::pool::telemetry::stats::CloseReason;

impl Core {
    /// Closes idle connections and waits, for at most `settle_timeout`, until the server has let go of them.
    pub(in crate::pool) fn release_idle(self: &Arc<Self>) -> u32 {
        // Otherwise `min_idle` would be filled again at once.
        self.refill_is_paused.store(true, Ordering::Release);
        let idle = self.admission.release_idle();
        let count = idle.len() as u32;
        for conn in idle {
            self.close_connection(conn, CloseReason::Released);
        }
        if count > 0 {
            self.admission.wait_departed(Instant::now() + self.settings.settle_timeout);
        }
        count
    }

    /// Returns whether idle connections were released and none was wanted since: then nothing is opened ahead of need.
    pub(in crate::pool) fn refill_is_paused(&self) -> bool {
        self.refill_is_paused.load(Ordering::Acquire)
    }

    /// Fills `min_idle` again, since a caller wants a connection.
    pub(in crate::pool) fn resume_refill(self: &Arc<Self>) {
        if self.refill_is_paused() && self.refill_is_paused.swap(false, Ordering::AcqRel) {
            self.refill();
        }
    }
}
