//! What the pool does about a server that has no slot left for it: it makes do with what it has, and tries for one more now
//! and then. [`LearnedLimit`](crate::resilience::limit::LearnedLimit) decides; this carries it out, and tells.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::admission::Learned;
use super::inner::Inner;
use crate::clock::Tick;
use crate::error::{Error, LimitedBy};
use crate::observe::event::EventKind;
use crate::resilience::limit::Moved;

/// While the server is full, idle connections are closed after this share of `idle_timeout`: others wait for their slots.
const SOONER: u32 = 4;

impl Inner {
    /// An opening was refused by a limit.
    pub(super) fn refused(self: &Arc<Self>, error: &Error, by: LimitedBy) {
        let refused = self.admission.opening_refused(by);
        self.plan_for_fleet();
        if let Some(Moved { from, to }) = refused.moved {
            self.tell(EventKind::LimitMoved).moved(from, to).reason(by.name()).warn(
                &[("limited_by", by.name().into())],
                format_args!(
                    "the limit falls from {from} to {to} connections, because of {}: {}",
                    by.words(),
                    error.summary()
                ),
            );
        }
        if let Some(at) = refused.next_try {
            self.try_one_more_at(at);
        }
        // What is idle is let go sooner from now on.
        self.wake_housekeeping_at(Tick::exact());
    }

    fn try_one_more_at(self: &Arc<Self>, at: Instant) {
        if self.tries_one_more.swap(true, Ordering::AcqRel) {
            return;
        }
        let pool = Arc::downgrade(self);
        self.workers.after(at.saturating_duration_since(Instant::now()), move || {
            if let Some(inner) = pool.upgrade() {
                inner.try_one_more();
            }
        });
    }

    /// On the timer thread.
    fn try_one_more(self: &Arc<Self>) {
        self.tries_one_more.store(false, Ordering::Release);
        let Learned { moved, next_try } = self.admission.try_one_more();
        if let Some(Moved { from, to }) = moved {
            self.tell(EventKind::LimitMoved)
                .moved(from, to)
                .debug(&[], format_args!("the limit rises from {from} to {to} connections"));
        }
        if let Some(at) = next_try {
            self.try_one_more_at(at);
        }
    }

    /// How long a connection may be idle at present.
    pub(super) fn idle_timeout(&self) -> Duration {
        let usual = self.settings.idle_timeout;
        if self.tries_one_more.load(Ordering::Relaxed) || self.fleet.is_scarce() {
            usual / SOONER
        } else {
            usual
        }
    }
}
