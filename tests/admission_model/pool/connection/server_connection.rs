//! A connection, of which the queue knows next to nothing.

use crate::pool::admission::{Account, Pooled};
use crate::sys::clock::Tick;

#[derive(Debug)]
pub(crate) struct Parked(pub(crate) u32);

impl Pooled for Parked {
    fn was_just_used_here(&self) -> bool {
        false
    }

    fn idle_since(&self) -> Tick {
        Tick::from_word(u64::from(self.0))
    }

    fn counts_as(&mut self, _: Account) {}

    fn account(&self) -> Account {
        Account::InUse
    }
}
