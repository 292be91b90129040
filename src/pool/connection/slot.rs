//! Slots, leased by r2d2; this crate opens and closes the connection in each.
//!
//! By itself r2d2 opens connections on threads of its own, retries them for ever without a report, and reads the clock four
//! times for every checkout. So `connect` hands out an empty slot at once, and a lease is held for as
//! long as a slot has a connection, idle ones included: r2d2 is asked once per opening, not once per checkout, and it
//! guards the invariant that matters most: no more than `max_size` connections exist. A pool of r2d2's has one size for life,
//! so when `max_size` grows, another block of slots is added; when it falls, admission alone keeps to it.

use std::convert::Infallible;
use std::sync::Arc;

use super::slot_thread::SlotThread;
use crate::error::Error;
use crate::sys::fork::Generation;
use crate::sys::sync::Mutex;

/// Room for one server connection.
#[derive(Debug)]
pub(in crate::pool) struct Slot;

#[derive(Debug)]
pub(in crate::pool) struct SlotManager;

/// The right to hold one server connection; given back when dropped.
pub(in crate::pool) struct SlotLease {
    /// `None` only while this is dropped.
    slot: Option<r2d2::PooledConnection<SlotManager>>,
    shared: Arc<Shared>,
}

/// The state that a pool's slots share.
struct Shared {
    /// One thread at a time asks r2d2: its own lock is never waited for, as [`SlotThread`] explains.
    blocks: Mutex<Blocks>,
    /// Held while a block is made, which waits for the thread.
    growing: Mutex<()>,
    born: Generation,
    /// Ends after the slots: the last to be dropped.
    thread: Arc<SlotThread>,
}

#[derive(Default)]
struct Blocks {
    pools: Vec<r2d2::Pool<SlotManager>>,
    /// The slots of all blocks.
    size: u32,
}

impl Drop for SlotLease {
    fn drop(&mut self) {
        let slot = self.slot.take();
        if self.shared.born.is_past() {
            // The parent's locks may be held for ever.
            std::mem::forget(slot);
            return;
        }
        let _turn = self.shared.blocks.lock();
        drop(slot);
    }
}

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
pub(in crate::pool) struct Slots(Arc<Shared>);

impl Slots {
    pub(in crate::pool) fn new(max_size: u32, thread: Arc<SlotThread>) -> Result<Self, Error> {
        let slots = Self(Arc::new(Shared {
            blocks: Mutex::default(),
            growing: Mutex::new(()),
            born: Generation::watch(),
            thread,
        }));
        slots.grow_to(max_size)?;
        Ok(slots)
    }

    /// Makes the slots that are missing for `size` connections.
    ///
    /// # Errors
    /// When the thread that makes slots has ended.
    pub(in crate::pool) fn grow_to(&self, size: u32) -> Result<(), Error> {
        let _growing = self.0.growing.lock();
        let present = self.0.blocks.lock().size;
        let missing = size.saturating_sub(present);
        if missing > 0 {
            let block = self.make_block(missing)?;
            let mut blocks = self.0.blocks.lock();
            blocks.pools.push(block);
            blocks.size = size;
        }
        Ok(())
    }

    fn make_block(&self, size: u32) -> Result<r2d2::Pool<SlotManager>, Error> {
        // All slots exist from the start, since an empty one costs nothing: leasing then never waits.
        let build = |threads| {
            r2d2::Pool::builder()
                .max_size(size)
                .min_idle(Some(size))
                .test_on_check_out(false)
                .idle_timeout(None)
                .max_lifetime(None)
                .thread_pool(threads)
                .build_unchecked(SlotManager)
        };
        let ended = || Error::config("the thread that makes slots has ended");
        let block = self.0.thread.run_jobs(build).ok_or_else(ended)?;
        while block.state().connections < size {
            self.0.thread.run_jobs(drop).ok_or_else(ended)?;
        }
        Ok(block)
    }

    /// Leases a slot, unless all are leased.
    pub(in crate::pool) fn lease(&self) -> Option<SlotLease> {
        let blocks = self.0.blocks.lock();
        let slot = Some(blocks.pools.iter().find_map(r2d2::Pool::try_get)?);
        Some(SlotLease { slot, shared: self.0.clone() })
    }
}
