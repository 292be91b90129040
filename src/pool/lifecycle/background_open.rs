//! Background openings, for callers without the time to open a connection themselves.
//!
//! A caller with 20 ms left would cut an opening that takes 25, and so would the next one: a cold pool would stay cold, and
//! the server would see nothing but connections begun and broken off. So a thread for openings takes over, with the whole
//! `connection_timeout`, and the caller waits in the queue for the first connection that comes free. Each pool has one at a
//! time: a server that does not answer must not hold up the openings of other pools.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::capacity::Capacity;
use super::failpoint::failpoint;
use crate::pool::core::Core;

/// A caller with less time left than this opens no connection itself.
pub(in crate::pool) const OPEN_IN_BACKGROUND_BELOW: Duration = Duration::from_millis(100);

impl Core {
    /// Opens a connection in the background, with the capacity that was granted to a caller.
    pub(in crate::pool) fn open_in_background(self: &Arc<Self>, capacity: Capacity) {
        let Some(flight) = self.opens_in_background.begin() else { return };
        let core = self.clone();
        self.workers.run_opening(move || {
            failpoint!(core, "opening in the background");
            let opened = core.open(capacity, Instant::now() + core.settings.connection_timeout);
            drop(flight);
            match opened {
                Ok(conn) => core.give_back(conn),
                Err(error) => {
                    core.log.warn(
                        &[("kind", error.kind().name().into())],
                        format_args!(
                            "could not open a connection for a caller in a hurry: {}",
                            error.summary()
                        ),
                    );
                    core.admission.count(|c| c.failed(error.kind()));
                    core.remember_open_failure(&error);
                }
            }
        });
    }
}
