//! Polling of all sources on a thread of its own, so that the display never waits for a network.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::database::Database;
use super::look::Look;
use super::metrics::Addresses;

/// All that is looked at.
pub(super) struct Sources {
    pub(super) database: Option<Database>,
    pub(super) pools: Option<Addresses>,
}

impl Sources {
    /// Blocks for some seconds at most.
    pub(super) fn look(&self) -> Look {
        let pools = || self.pools.as_ref().map(Addresses::look).unwrap_or_default();
        let (server, pools) = thread::scope(|scope| {
            let asking = scope.spawn(pools);
            let server = self.database.as_ref().map(Database::look);
            (server, asking.join().unwrap_or_default())
        });
        Look { at: SystemTime::now(), server, pools }
    }

    /// Polls once every `interval`, except while `paused`, until the receiver is gone.
    pub(super) fn look_on(self, interval: Duration, paused: Arc<AtomicBool>) -> Receiver<Look> {
        const NAP: Duration = Duration::from_millis(50);
        let (looks, received) = sync_channel(1);
        thread::spawn(move || {
            loop {
                let begun = Instant::now();
                if !paused.load(Ordering::Relaxed) && looks.send(self.look()).is_err() {
                    return;
                }
                thread::sleep(interval.saturating_sub(begun.elapsed()).max(NAP));
            }
        });
        received
    }
}
