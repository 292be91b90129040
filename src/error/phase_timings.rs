//! The phases that the opening of a connection completed before it failed. The error itself names the phase that failed.

use std::time::Duration;

use super::Error;

/// The timings of the failed attempt itself, not of earlier attempts listed in the error.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct PhaseTimings {
    /// Resolving the name.
    pub(crate) resolve: Option<Duration>,
    /// Connecting over TCP or the local socket.
    pub(crate) connect: Option<Duration>,
    /// Requesting TLS and the handshake. `None` on a plain connection too.
    pub(crate) tls: Option<Duration>,
    /// The time that the failed phase took.
    pub(crate) failing: Duration,
}

impl Error {
    /// Sets the timings of the failed opening.
    pub(crate) fn with_timings(mut self, note: impl FnOnce(&mut PhaseTimings)) -> Self {
        note(&mut self.0.timings);
        self
    }

    /// Returns the timings of the failed opening.
    pub(crate) fn phase_timings(&self) -> PhaseTimings {
        self.0.timings
    }
}
