//! Orderly close: refuse, wake, wait, cancel, cut; and say what had to be done.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::pool::core::Inner;
use crate::pool::telemetry::stats::CloseReason;

/// What [`Pool::close`](crate::Pool::close) had to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CloseReport {
    /// Idle connections closed at once.
    pub idle_closed: u32,
    /// Lent connections that came back by themselves in time.
    pub returned: u32,
    /// Lent connections whose running statement the server was asked to cancel.
    pub cancelled: u32,
    /// Lent connections that were still out at the deadline and were cut: statements on them failed or will fail.
    pub cut: u32,
    /// How long closing took.
    pub elapsed: Duration,
}

const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// The last part of the time that `close` has is kept for statements to end after they were cancelled.
fn time_for_cancelling(limit: Duration) -> Duration {
    (limit / 4).min(Duration::from_secs(1))
}

impl Inner {
    /// New gets fail, waiters are woken, openings are given up, idle connections are closed. Waits for nothing.
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
            self.see_off(conn, CloseReason::PoolClosed);
        }
        count
    }

    pub(in crate::pool) fn close_within(self: &Arc<Self>, limit: Duration) -> CloseReport {
        let started = Instant::now();
        // So that `Duration::MAX`, which means "however long it takes", does not overflow.
        let limit = limit.min(LONGEST);
        let deadline = started + limit;
        let idle_closed = self.shut();
        let lent_at_start = self.lent();
        let mut report = CloseReport { idle_closed, ..CloseReport::default() };
        if !self.admission.wait_drained(deadline - time_for_cancelling(limit)) {
            report.cancelled = self.cancel_lent(deadline);
            if !self.admission.wait_drained(deadline) {
                report.cut = self.cut_lent();
            }
        }
        report.returned = lent_at_start.saturating_sub(report.cut);
        report.elapsed = started.elapsed();
        report
    }

    fn lent(&self) -> u32 {
        let (gauges, _) = self.admission.snapshot();
        gauges.in_use + gauges.opening
    }

    /// Asks the server to cancel what runs on connections still out, all at once.
    fn cancel_lent(self: &Arc<Self>, deadline: Instant) -> u32 {
        let busy: Vec<_> = self.registry.all().into_iter().filter(|r| r.link.is_busy()).collect();
        let count = busy.len() as u32;
        for registered in busy {
            let inner = self.clone();
            self.workers.run(move || {
                let left = deadline.saturating_duration_since(Instant::now());
                if let Err(e) = registered.cancel.cancel_within(left.max(Duration::from_millis(1))) {
                    inner.log.warn(&[], format_args!("could not cancel a statement while closing: {e}"));
                }
            });
        }
        count
    }

    /// Cuts the transport of connections still out: calls blocked on them return at once.
    fn cut_lent(&self) -> u32 {
        let mut cut = 0;
        for registered in self.registry.all() {
            if registered.link.fault().is_none() {
                registered.link.interrupt();
                cut += 1;
            }
        }
        cut
    }
}
