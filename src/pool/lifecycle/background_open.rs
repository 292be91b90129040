//! Openings for callers who cannot wait for them.
//!
//! A caller with 20 ms left would cut an opening that takes 25, and so would the next one: a cold pool would stay cold, and
//! the server would see nothing but connections begun and broken off. So the opening goes to a thread of the workers, with time enough,
//! while the caller waits in the queue for whatever comes first. One at a time per pool: a server that does not answer must
//! not hold up the openings of other pools.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::capacity::Capacity;
use super::failpoint::failpoint;
use crate::pool::core::Inner;

/// Whoever has less time than this does not open connections himself.
pub(in crate::pool) const IN_A_HURRY: Duration = Duration::from_millis(100);

impl Inner {
    /// Takes over the capacity that was granted to a caller in a hurry.
    pub(in crate::pool) fn open_in_background(self: &Arc<Self>, capacity: Capacity) {
        let Some(flight) = self.opens_in_background.begin() else { return };
        let inner = self.clone();
        self.workers.run_opening(move || {
            failpoint!(inner, "opening in the background");
            let opened = inner.open(capacity, Instant::now() + inner.settings.connection_timeout);
            drop(flight);
            match opened {
                Ok(conn) => inner.give_back(conn),
                Err(error) => {
                    inner.log.warn(
                        &[("kind", error.kind().name().into())],
                        format_args!(
                            "could not open a connection for a caller in a hurry: {}",
                            error.summary()
                        ),
                    );
                    inner.admission.count(|c| c.failed(error.kind()));
                    inner.remember_open_failure(&error);
                }
            }
        });
    }
}
