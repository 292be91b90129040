//! The place that an open connection takes in its pool, whichever thread holds it.

use std::sync::{Arc, Weak};

use crate::pool::admission::Account;
use crate::pool::core::Core;

/// A guard that gives the place back (its count in the queue, its entry in the registry) when the connection is dropped. It is
/// the last part to be dropped, so the place is never lost, even when a thread that holds the connection unwinds. The usual
/// end of a connection is the same drop, after it was retired and its server has let go of it.
pub(in crate::pool) struct Place {
    /// The pool holds idle connections, hence weak.
    pool: Weak<Core>,
    id: u64,
    /// Changed by the queue, together with its counts.
    pub(in crate::pool) account: Account,
}

impl Place {
    /// Makes the place of a connection that was opened just now.
    pub(in crate::pool) fn new(pool: &Arc<Core>, id: u64) -> Self {
        Self { pool: Arc::downgrade(pool), id, account: Account::Opening }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // In a forked child nothing of the parent's pool may be touched.
        let Some(core) = self.pool.upgrade().filter(|core| !core.is_inherited()) else { return };
        core.registry.remove(self.id);
        match self.account {
            // The capacity for the opening is held by a guard of its own.
            Account::Opening | Account::Idle => return,
            Account::InUse => core.admission.lost_checked_out(),
            Account::Departing => core.admission.departed(),
        }
        core.refill();
    }
}
