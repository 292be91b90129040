//! The time that each phase of an opening took.

use std::time::Duration;

use crate::error::PhaseTimings;

/// The time that each phase of a successful opening took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timing {
    /// Resolving the name; zero for an address.
    pub resolve: Duration,
    /// Connecting over TCP or the local socket.
    pub connect: Duration,
    /// Requesting TLS and the handshake. `None` on a plain connection.
    pub tls: Option<Duration>,
    /// From the start-up packet to the first `ReadyForQuery`.
    pub session: Duration,
}

impl Timing {
    /// Adds these timings to an error that occurs after the session began. The session's own time counts to the failing phase.
    pub(super) fn note(&self, timings: &mut PhaseTimings) {
        timings.connect = Some(self.connect);
        timings.tls = self.tls;
    }
}
