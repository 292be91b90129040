//! The treatment of calls while a pool cannot open connections.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::error::Error;
use crate::pool::core::Core;
use crate::pool::telemetry::stats::Circuit;
use crate::sys::clock::Tick;

impl Core {
    /// Returns the failure that an attempt of this pool would meet, while the server is out of reach.
    pub(in crate::pool) fn known_failure(&self) -> Option<Error> {
        let failure = self.coordinator.known_failure()?;
        self.wanted_at.store(Tick::now().to_word(), Ordering::Relaxed);
        Some(failure)
    }

    /// Returns the error of a caller that finds nothing idle, if the server has been out of reach for longer than
    /// `breaker_after`. While the pool holds connections, callers may wait for one of those instead.
    pub(in crate::pool) fn fail_fast_error(&self) -> Option<Error> {
        let after = self.settings.breaker_after.filter(|_| self.coordinator.is_out())?;
        let held = self.admission.snapshot().0;
        if held.in_use + held.idle > 0 {
            return None;
        }
        self.wanted_at.store(Tick::now().to_word(), Ordering::Relaxed);
        self.coordinator.open_circuit(after)
    }

    /// Returns whether connections are opened at present, and for how long they have not been.
    pub(in crate::pool) fn circuit(&self) -> (Circuit, Option<Duration>) {
        if let Some(length) = self.permanent_failure_age() {
            return (Circuit::Refused, Some(length));
        }
        let Some(length) = self.coordinator.outage() else { return (Circuit::Closed, None) };
        let is_open = self.settings.breaker_after.is_some_and(|after| length >= after);
        (if is_open { Circuit::Open } else { Circuit::Probing }, Some(length))
    }
}
