//! The place that an open connection takes in its pool, whichever thread holds it.

use std::sync::{Arc, Weak};

use crate::pool::admission::Account;

/// The owner of places, which takes them back.
pub(in crate::pool) trait PlaceOwner: Send + Sync {
    /// Takes back the place of connection `id`, which counted as `account`.
    fn take_back_place(self: Arc<Self>, id: u64, account: Account);
}

/// A guard that gives the place back (its count in the queue, its entry in the registry) when the connection is dropped. It is
/// the last part to be dropped, so the place is never lost, even when a thread that holds the connection unwinds. The usual
/// end of a connection is the same drop, after it was retired and its server has let go of it.
pub(in crate::pool) struct Place {
    /// The pool holds idle connections, hence weak.
    owner: Weak<dyn PlaceOwner>,
    id: u64,
    /// Changed by the queue, together with its counts.
    pub(in crate::pool) account: Account,
}

impl Place {
    /// Makes the place of a connection that was opened just now.
    pub(in crate::pool) fn new(owner: Weak<dyn PlaceOwner>, id: u64) -> Self {
        Self { owner, id, account: Account::Opening }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(owner) = self.owner.upgrade() {
            owner.take_back_place(self.id, self.account);
        }
    }
}
