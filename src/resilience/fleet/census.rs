//! What one look at the server shows.

use std::time::Duration;

/// Tells the pools of a fleet apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Id(pub(crate) u32);

/// A pool of the fleet, as the server's list of sessions shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) id: Id,
    pub(crate) held: u32,
}

/// The slots of the limit that binds first, and who holds them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Census {
    /// How many there are for those who may not use reserved ones.
    pub(crate) slots: u32,
    /// Sessions of programs that are not of the fleet.
    pub(crate) others: u32,
    /// The fleet, the pool that looks included, each pool once.
    pub(crate) peers: Vec<Peer>,
    /// The server's clock. All who look agree on it, whatever their own clocks say.
    pub(crate) clock: Duration,
}

impl Census {
    /// Slots that the fleet holds.
    pub(crate) fn held(&self) -> u32 {
        self.peers.iter().fold(0, |held, peer| held.saturating_add(peer.held))
    }

    pub(crate) fn free(&self) -> u32 {
        self.slots.saturating_sub(self.others.saturating_add(self.held()))
    }

    /// What there would be for each pool of the fleet if all wanted the same, in thousandths: of several limits the one
    /// where this is least binds first.
    pub(crate) fn tightness(&self) -> u32 {
        let quota = self.slots.saturating_sub(self.others);
        quota.saturating_mul(1000) / u32::try_from(self.peers.len().max(1)).unwrap_or(u32::MAX)
    }
}
