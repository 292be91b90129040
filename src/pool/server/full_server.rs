//! Full servers: a pool for which the server has no slot left works with the connections it holds, and tries for one more
//! from time to time. [`LearnedLimit`](crate::resilience::learned_limit::LearnedLimit) decides; this module carries it out and
//! emits the events.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::{Error, LimitedBy};
use crate::observe::event::EventKind;
use crate::pool::admission::Learned;
use crate::pool::core::Core;
use crate::pool::guards::Capacity;
use crate::pool::tasks::Task;
use crate::resilience::learned_limit::Moved;
use crate::sys::clock::Tick;
use crate::sys::single_flight::Flight;

/// The divisor of `idle_timeout` while the server is full: other clients wait for the slots of idle connections.
const IDLE_TIMEOUT_DIVISOR: u32 = 4;

impl Core {
    /// Lowers the limit after a full server refused an opening.
    pub(in crate::pool) fn server_is_full(
        self: &Arc<Self>,
        capacity: Capacity,
        error: &Error,
        by: LimitedBy,
    ) {
        failpoint!(self, "full");
        let refused = capacity.refused(by);
        self.schedule_fleet_work();
        if let Some(Moved { from, to }) = refused.moved {
            self.emit(EventKind::LimitMoved).moved(from, to).reason(by.name()).warn(
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
        // Idle connections are closed sooner from now on.
        self.wake_housekeeping_at(Tick::exact());
    }

    fn try_one_more_at(self: &Arc<Self>, at: Instant) {
        let Some(flight) = self.tries_one_more.begin() else { return };
        self.later(at.saturating_duration_since(Instant::now()), Task::TryOneMore(flight));
    }

    /// Raises the limit by one if callers wait. Runs on the timer thread.
    pub(in crate::pool) fn try_one_more(self: &Arc<Self>, flight: Flight) {
        drop(flight);
        // The fallback until the next try is known.
        let mut next = NextTry { core: self, at: Some(Instant::now() + self.settings.retry_max_delay) };
        failpoint!(self, "one more");
        let Learned { moved, next_try } = self.admission.try_one_more();
        next.at = next_try;
        if let Some(Moved { from, to }) = moved {
            self.emit(EventKind::LimitMoved)
                .moved(from, to)
                .debug(&[], format_args!("the limit rises from {from} to {to} connections"));
        }
    }

    /// Returns how long a connection may be idle at present.
    pub(in crate::pool) fn idle_timeout(&self) -> Duration {
        let usual = self.settings.idle_timeout;
        if self.tries_one_more.is_under_way() || self.fleet.is_scarce() {
            usual / IDLE_TIMEOUT_DIVISOR
        } else {
            usual
        }
    }
}

/// Sets the timer for the next try on every way out: a learned limit never rises without one.
struct NextTry<'a> {
    core: &'a Arc<Core>,
    at: Option<Instant>,
}

impl Drop for NextTry<'_> {
    fn drop(&mut self) {
        if let Some(at) = self.at {
            self.core.try_one_more_at(at);
        }
    }
}
