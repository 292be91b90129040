//! Slots, leased by r2d2; this crate opens and closes the connection in each.
//!
//! By itself r2d2 opens connections on threads of its own, retries them for ever without a report, and reads the clock four
//! times for every checkout. So `connect` hands out an empty slot at once, and a lease is held for as
//! long as a slot has a connection, idle ones included: r2d2 is asked once per opening, not once per checkout, and it
//! guards the invariant that matters most: no more than `max_size` connections exist.

use std::convert::Infallible;
use std::sync::Arc;

use scheduled_thread_pool::ScheduledThreadPool;

use crate::error::Error;

/// Room for one server connection.
#[derive(Debug)]
pub(in crate::pool) struct Slot;

#[derive(Debug)]
pub(in crate::pool) struct SlotManager;

/// The right to hold one server connection; given back when dropped.
pub(in crate::pool) type SlotLease = r2d2::PooledConnection<SlotManager>;

impl r2d2::ManageConnection for SlotManager {
    type Connection = Slot;
    type Error = Infallible;

    fn connect(&self) -> Result<Slot, Infallible> {
        Ok(Slot)
    }

    fn is_valid(&self, _: &mut Slot) -> Result<(), Infallible> {
        Ok(())
    }

    fn has_broken(&self, _: &mut Slot) -> bool {
        false
    }
}

/// All slots of a pool.
#[derive(Debug)]
pub(in crate::pool) struct Slots(r2d2::Pool<SlotManager>);

impl Slots {
    pub(in crate::pool) fn new(max_size: u32, threads: Arc<ScheduledThreadPool>) -> Result<Self, Error> {
        // All slots exist from the start, since an empty one costs nothing: leasing then never waits.
        r2d2::Pool::builder()
            .max_size(max_size)
            .min_idle(Some(max_size))
            .test_on_check_out(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .thread_pool(threads)
            .build(SlotManager)
            .map(Self)
            .map_err(|e| Error::config(format!("could not set up {max_size} slots: {e}")))
    }

    /// Leases a slot, unless all are leased.
    pub(in crate::pool) fn lease(&self) -> Option<SlotLease> {
        self.0.try_get()
    }
}
