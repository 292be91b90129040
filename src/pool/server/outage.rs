//! Outages: what all pools of a server do when it goes out of reach and when it is back, and the treatment of calls meanwhile.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::error::{Error, human};
use crate::pool::core::Core;
use crate::pool::outage::coordinator::Reached;
use crate::pool::telemetry::stats::Circuit;
use crate::resilience::breaker::Verdict;
use crate::sys::clock::Tick;

impl Core {
    /// Passes on to all pools of the server that it was reached: `opened` a connection, or at least answered.
    pub(in crate::pool) fn server_reached(&self, opened: bool) {
        let Reached { ramp_rose, outage } = self.coordinator.reached(opened);
        if ramp_rose {
            self.limit_openings();
        }
        if let Some(length) = outage {
            for pool in self.coordinator.pools() {
                pool.outage_ends(length);
            }
        }
    }

    fn outage_ends(self: &Arc<Self>, length: Duration) {
        self.log.info(
            &[("outage_ms", (length.as_millis() as u64).into())],
            format_args!("the server can be reached again, after {}", human(length)),
        );
        self.note_circuit();
        self.admission.end_backoff();
        self.refill();
    }

    /// Passes on that a connection of the server was lost.
    pub(in crate::pool) fn server_lost_connection(&self) {
        if self.coordinator.connection_lost() {
            self.limit_openings();
        }
    }

    /// Passes on an opening that failed for a passing reason.
    pub(in crate::pool) fn server_not_reached(&self, error: &Error, took: Duration) {
        let Verdict::Begins { first_probe } = self.coordinator.failed(error, took) else { return };
        // First of all: an outage is ended by a probe.
        self.probe_at(first_probe);
        self.log.info(
            &[("kind", error.kind().name().into())],
            format_args!("the server is out of reach, and is probed until it is back: {}", error.summary()),
        );
        for pool in self.coordinator.pools() {
            pool.note_circuit();
        }
        self.limit_openings();
    }

    /// Divides the openings that the server may get at once among its pools.
    pub(in crate::pool) fn limit_openings(&self) {
        let (pools, at_once) = self.coordinator.openings_at_once();
        for pool in pools {
            pool.admission.allow_at_once(at_once);
        }
    }

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
        if let Some(length) = self.permanent_failure.age() {
            return (Circuit::Refused, Some(length));
        }
        let Some(length) = self.coordinator.outage() else { return (Circuit::Closed, None) };
        let is_open = self.settings.breaker_after.is_some_and(|after| length >= after);
        (if is_open { Circuit::Open } else { Circuit::Probing }, Some(length))
    }
}
