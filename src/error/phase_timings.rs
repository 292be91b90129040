//! The phases that succeeded before the opening of a connection failed; the error itself names the phase that failed.

use std::time::Duration;

use super::Error;

/// The timings of the attempt that the error belongs to, not of the other attempts it lists.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Passed {
    /// The time of the name look-up.
    pub(crate) resolve: Option<Duration>,
    /// The time of the TCP or local-socket connect.
    pub(crate) connect: Option<Duration>,
    /// The time of the TLS request and handshake. `None` on a plain connection too.
    pub(crate) tls: Option<Duration>,
    /// The time of the phase that failed.
    pub(crate) failing: Duration,
}

impl Error {
    /// Records the phases that succeeded.
    pub(crate) fn having_passed(mut self, note: impl FnOnce(&mut Passed)) -> Self {
        note(&mut self.0.passed);
        self
    }

    /// Returns the phases that succeeded, with their times.
    pub(crate) fn passed(&self) -> Passed {
        self.0.passed
    }
}
