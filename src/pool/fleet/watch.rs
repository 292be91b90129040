//! When the work for the fleet is due.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use crate::pool::admission::{MIN_TIMER_DELAY, NextRebalance};
use crate::pool::connection::next_wakeup::NextWakeup;
use crate::resilience::fleet::census::Id;
use crate::sys::clock::Tick;

/// The times at which fleet work is due. Read on every return, so it is one atomic.
pub(in crate::pool) struct FleetWatch {
    at_return: AtomicU64,
    next_wakeup: NextWakeup,
    scarce: AtomicBool,
    pub(in crate::pool) shares: bool,
}

impl FleetWatch {
    pub(in crate::pool) fn new(fleet: Option<Id>) -> Self {
        let at_return = if fleet.is_some() { 0 } else { u64::MAX };
        Self {
            at_return: AtomicU64::new(at_return),
            next_wakeup: NextWakeup::default(),
            scarce: AtomicBool::new(false),
            shares: fleet.is_some(),
        }
    }

    /// Returns whether the return of a connection has to do fleet work.
    #[inline]
    pub(in crate::pool) fn is_due(&self, now: Tick) -> bool {
        now.to_word() >= self.at_return.load(Ordering::Relaxed)
    }

    /// Returns whether slots were scarce at the last census.
    pub(in crate::pool) fn is_scarce(&self) -> bool {
        self.scarce.load(Ordering::Relaxed)
    }

    pub(in crate::pool) fn set_scarce(&self, scarce: bool) {
        self.scarce.store(scarce, Ordering::Relaxed);
    }

    /// Sets when fleet work is due, after a change that may have moved it. Returns the time for which a timer is to be set.
    pub(in crate::pool) fn schedule(&self, next: NextRebalance) -> Option<Tick> {
        // The coarse clock of returns lags behind: work that is due by now must be due for it, too.
        let now = Instant::now();
        let word =
            |at: Option<Instant>| at.map_or(u64::MAX, |at| if at <= now { 0 } else { tick_of(at).to_word() });
        self.at_return.store(word(next.at_return), Ordering::Relaxed);
        let due = tick_of(next.at_time? + MIN_TIMER_DELAY);
        self.next_wakeup.advance_to(due).then_some(due)
    }

    /// Returns whether the timer that fires is the one that was set last.
    pub(in crate::pool) fn fires(&self, due: Tick) -> bool {
        self.next_wakeup.fires(due)
    }
}

fn tick_of(at: Instant) -> Tick {
    Tick::exact().plus(at.saturating_duration_since(Instant::now()))
}
