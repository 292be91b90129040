//! The phases that the opening of a connection completed before it failed. The error itself names the phase that failed.

use std::time::Duration;

use super::Error;

/// The time that each phase of a failed opening took: of the last attempt, not of earlier ones that the error lists.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PhaseTimings {
    /// Resolving the name.
    pub resolve: Option<Duration>,
    /// Connecting over TCP or the local socket.
    pub connect: Option<Duration>,
    /// Requesting TLS and the handshake. `None` on a plain connection too.
    pub tls: Option<Duration>,
    /// The time that the failed phase took.
    pub failing: Duration,
}

impl Error {
    /// Sets the timings of the failed opening.
    pub(crate) fn with_timings(mut self, note: impl FnOnce(&mut PhaseTimings)) -> Self {
        note(&mut self.0.timings);
        self
    }

    /// Returns the time that each phase of a failed opening took. All are empty for other errors.
    ///
    /// ```
    /// let config = holdfast::PoolConfig::from_url("postgresql://localhost:1/nowhere?retry_max=0")?;
    /// let error = holdfast::Pool::new(config)?.get().unwrap_err();
    /// let timings = error.phase_timings();
    /// assert_eq!(timings.tls, None, "the port is closed");
    /// println!("it was refused after {:?}", timings.failing);
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn phase_timings(&self) -> PhaseTimings {
        self.0.timings
    }
}
