//! What the pool does about a server that has no slot left for it: it makes do with what it has, and tries for one more now
//! and then. [`LearnedLimit`](crate::resilience::learned_limit::LearnedLimit) decides; this carries it out, and tells.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::{Error, LimitedBy};
use crate::observe::event::EventKind;
use crate::pool::admission::Learned;
use crate::pool::core::Inner;
use crate::pool::lifecycle::capacity::Capacity;
use crate::pool::lifecycle::failpoint::failpoint;
use crate::resilience::learned_limit::Moved;
use crate::sys::clock::Tick;

/// While the server is full, idle connections are closed after this share of `idle_timeout`: others wait for their slots.
const SOONER: u32 = 4;

impl Inner {
    /// An opening was refused by a limit.
    pub(in crate::pool) fn refused(self: &Arc<Self>, capacity: Capacity, error: &Error, by: LimitedBy) {
        failpoint!(self, "full");
        let refused = capacity.refused(by);
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
        let Some(flight) = self.tries_one_more.begin() else { return };
        self.later(at.saturating_duration_since(Instant::now()), |inner| {
            drop(flight);
            inner.try_one_more();
        });
    }

    /// On the timer thread.
    fn try_one_more(self: &Arc<Self>) {
        // Until it is known when the next try is due.
        let mut next = NextTry { inner: self, at: Some(Instant::now() + self.settings.retry_max_delay) };
        failpoint!(self, "one more");
        let Learned { moved, next_try } = self.admission.try_one_more();
        next.at = next_try;
        if let Some(Moved { from, to }) = moved {
            self.tell(EventKind::LimitMoved)
                .moved(from, to)
                .debug(&[], format_args!("the limit rises from {from} to {to} connections"));
        }
    }

    /// How long a connection may be idle at present.
    pub(in crate::pool) fn idle_timeout(&self) -> Duration {
        let usual = self.settings.idle_timeout;
        if self.tries_one_more.is_under_way() || self.fleet.is_scarce() { usual / SOONER } else { usual }
    }
}

/// Sets the timer for the next try on every way out: a limit that was learned never rises without one.
struct NextTry<'a> {
    inner: &'a Arc<Inner>,
    at: Option<Instant>,
}

impl Drop for NextTry<'_> {
    fn drop(&mut self) {
        if let Some(at) = self.at {
            self.inner.try_one_more_at(at);
        }
    }
}
