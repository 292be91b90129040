//! What becomes of calls of one pool while no connection can be opened.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::error::Error;
use crate::pool::core::Inner;
use crate::pool::telemetry::stats::Circuit;
use crate::sys::clock::Tick;

impl Inner {
    /// While the server is out of reach: the failure that an attempt of this pool would meet.
    pub(in crate::pool) fn known_failure(&self) -> Option<Error> {
        let failure = self.governor.known_failure()?;
        self.wanted_at.store(Tick::now().to_word(), Ordering::Relaxed);
        Some(failure)
    }

    /// The error of somebody who finds nothing idle, if the server has been out of reach for so long that waiting for it
    /// is refused. Whoever may be served by a connection that is in use may wait for that.
    pub(in crate::pool) fn refused_at_once(&self) -> Option<Error> {
        let after = self.settings.breaker_after.filter(|_| self.governor.is_out())?;
        let held = self.admission.snapshot().0;
        if held.in_use + held.idle > 0 {
            return None;
        }
        self.wanted_at.store(Tick::now().to_word(), Ordering::Relaxed);
        self.governor.open_circuit(after)
    }

    /// Whether connections are opened at present, and for how long they have not been.
    pub(in crate::pool) fn circuit(&self) -> (Circuit, Option<Duration>) {
        if let Some(length) = self.refused_for() {
            return (Circuit::Refused, Some(length));
        }
        let Some(length) = self.governor.outage() else { return (Circuit::Closed, None) };
        let is_open = self.settings.breaker_after.is_some_and(|after| length >= after);
        (if is_open { Circuit::Open } else { Circuit::Probing }, Some(length))
    }
}
