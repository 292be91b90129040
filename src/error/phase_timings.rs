//! How far the opening of a connection got before it failed: an error says where it ended, this says what went well before.

use std::time::Duration;

use super::Error;

/// Of the try that the error is of, whichever other tries it mentions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Passed {
    /// Looking the name up.
    pub(crate) resolve: Option<Duration>,
    /// TCP or the local socket.
    pub(crate) connect: Option<Duration>,
    /// Asking for TLS and shaking hands. `None` on a plain connection too.
    pub(crate) tls: Option<Duration>,
    /// What the phase took that failed.
    pub(crate) failing: Duration,
}

impl Error {
    /// Notes how far the opening got that failed.
    pub(crate) fn having_passed(mut self, note: impl FnOnce(&mut Passed)) -> Self {
        note(&mut self.0.passed);
        self
    }

    /// How far the opening got that failed.
    pub(crate) fn passed(&self) -> Passed {
        self.0.passed
    }
}
