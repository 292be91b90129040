//! The place that an open connection takes in its pool, whoever has it in hand.

use std::sync::{Arc, Weak};

use crate::pool::admission::Account;
use crate::pool::core::Inner;

/// Gives the place back when the connection is dropped, the last of its parts: what counts it in the queue, its entry in the
/// registry. So the place of a connection is never lost, whatever unwinds while it is in hand. The usual end of a connection
/// is the same drop, after it was retired and its server has let go of it.
pub(in crate::pool) struct Place {
    /// The pool holds idle connections, hence weak.
    pool: Weak<Inner>,
    id: u64,
    /// Changed by the queue, together with its counts.
    pub(in crate::pool) account: Account,
}

impl Place {
    /// For a connection that was opened just now.
    pub(in crate::pool) fn new(pool: &Arc<Inner>, id: u64) -> Self {
        Self { pool: Arc::downgrade(pool), id, account: Account::Opening }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // In a forked child nothing of the parent's pool may be touched.
        let Some(inner) = self.pool.upgrade().filter(|inner| !inner.is_inherited()) else { return };
        inner.registry.remove(self.id);
        match self.account {
            // The capacity for the opening is held by a guard of its own.
            Account::Opening | Account::Idle => return,
            Account::InUse => inner.admission.lost_lent(),
            Account::Departing => inner.admission.departed(),
        }
        inner.refill();
    }
}
