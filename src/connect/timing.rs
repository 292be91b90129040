//! How long each phase of an opening took.

use std::time::Duration;

use crate::error::Passed;

/// Of the try that succeeded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(not(feature = "diagnose"), allow(dead_code))]
pub(crate) struct Timing {
    /// Looking the name up; zero for an address.
    pub(crate) resolve: Duration,
    /// TCP or the local socket.
    pub(crate) connect: Duration,
    /// Asking for TLS and shaking hands. `None` on a plain connection.
    pub(crate) tls: Option<Duration>,
    /// From the start-up packet to the first `ReadyForQuery`.
    pub(crate) session: Duration,
}

impl Timing {
    /// For what fails although a session came about. Its beginning counts to what failed.
    pub(super) fn note(&self, passed: &mut Passed) {
        passed.connect = Some(self.connect);
        passed.tls = self.tls;
    }
}
