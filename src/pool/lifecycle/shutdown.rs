//! Orderly shutdown: refuses callers, wakes waiters, waits, cancels, cuts, and reports what it did. And the release of idle
//! connections: for a process that is about to be frozen, as cloud functions are between two calls. Its timers are frozen with
//! it, and its sessions would keep their slots.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::pool::connection::registry::Registered;
use crate::pool::core::Core;
use crate::pool::tasks::Task;
use crate::pool::telemetry::stats::CloseReason;

/// The report of [`Pool::close`](crate::Pool::close).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CloseReport {
    /// Idle connections closed at once.
    pub idle_closed: u32,
    /// Checked-out connections that came back by themselves in time.
    pub returned: u32,
    /// Checked-out connections whose running statement the server was asked to cancel.
    pub cancelled: u32,
    /// Checked-out connections that were not back at the deadline and were cut: statements on them failed or will fail.
    pub cut: u32,
    /// The time that closing took.
    pub elapsed: Duration,
}

const MAX_CLOSE_TIMEOUT: Duration = Duration::from_secs(365 * 24 * 3600);

/// Returns the last part of the limit of `close`, kept for cancelled statements to end.
fn time_for_cancelling(limit: Duration) -> Duration {
    (limit / 4).min(Duration::from_secs(1))
}

impl Core {
    /// Makes new gets fail, wakes waiters, gives up openings, closes idle connections. Does not wait.
    pub(in crate::pool) fn shut(self: &Arc<Self>) -> u32 {
        self.admission.close();
        self.registry.give_up_openings();
        #[cfg(feature = "capi")]
        if let Some(follower) = self.follower.get() {
            follower.pool_shuts();
        }
        let idle = self.admission.take_idle(|_| true, |c| c.closed(CloseReason::PoolClosed));
        let count = idle.len() as u32;
        for conn in idle {
            self.close_connection(conn, CloseReason::PoolClosed);
        }
        count
    }

    pub(in crate::pool) fn close_within(self: &Arc<Self>, limit: Duration) -> CloseReport {
        let started = Instant::now();
        // So that `Duration::MAX`, which means "however long it takes", does not overflow.
        let limit = limit.min(MAX_CLOSE_TIMEOUT);
        let deadline = started + limit;
        let idle_closed = self.shut();
        let checked_out_at_start = self.checked_out();
        let mut report = CloseReport { idle_closed, ..CloseReport::default() };
        if !self.admission.wait_drained(deadline - time_for_cancelling(limit)) {
            report.cancelled = self.cancel_checked_out(deadline);
            if !self.admission.wait_drained(deadline) {
                report.cut = self.cut_checked_out();
            }
        }
        report.returned = checked_out_at_start.saturating_sub(report.cut);
        report.elapsed = started.elapsed();
        report
    }

    fn checked_out(&self) -> u32 {
        let (gauges, _) = self.admission.snapshot();
        gauges.in_use + gauges.opening
    }

    /// Asks the server to cancel the statements that run on checked-out connections, all at once.
    fn cancel_checked_out(self: &Arc<Self>, deadline: Instant) -> u32 {
        let busy: Vec<_> = self.registry.all().into_iter().filter(|r| r.link.is_busy()).collect();
        let count = busy.len() as u32;
        for registered in busy {
            self.start(Task::CancelStatement(Box::new(registered), deadline));
        }
        count
    }

    /// Asks the server to cancel the statement of a checked-out connection. Runs on a worker.
    pub(in crate::pool) fn cancel_statement(&self, registered: &Registered, deadline: Instant) {
        let left = deadline.saturating_duration_since(Instant::now());
        if let Err(e) = registered.cancel.cancel_within(left.max(Duration::from_millis(1))) {
            self.log.warn(&[], format_args!("could not cancel a statement while closing: {e}"));
        }
    }

    /// Cuts the transport of checked-out connections: calls blocked on them return at once.
    fn cut_checked_out(&self) -> u32 {
        let mut cut = 0;
        for registered in self.registry.all() {
            if registered.link.fault().is_none() {
                registered.link.interrupt();
                cut += 1;
            }
        }
        cut
    }

    /// Closes idle connections and waits, for at most `settle_timeout`, until the server has let go of them.
    pub(in crate::pool) fn release_idle(self: &Arc<Self>) -> u32 {
        // Otherwise `min_idle` would be filled again at once.
        self.refill_is_paused.store(true, Ordering::Release);
        let before = self.released();
        for conn in self.admission.release_idle() {
            self.close_connection(conn, CloseReason::Released);
        }
        self.admission.wait_released(Instant::now() + self.settings.settle_timeout);
        u32::try_from(self.released() - before).unwrap_or(u32::MAX)
    }

    fn released(&self) -> u64 {
        self.admission.snapshot().1.closes_by(CloseReason::Released)
    }
}
