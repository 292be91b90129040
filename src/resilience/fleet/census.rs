//! The census: the server's slots and their holders, as one query shows them.

use std::time::Duration;

/// The id of a pool in its fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Id(pub(crate) u32);

/// A pool of the fleet, as the server's list of sessions shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) id: Id,
    pub(crate) held: u32,
}

/// The slots of the limit that binds first, and their holders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Census {
    /// Number of slots that are not reserved.
    pub(crate) slots: u32,
    /// Sessions of programs that are not of the fleet.
    pub(crate) others: u32,
    /// The pools of the fleet, each once, the one that takes the census included.
    pub(crate) peers: Vec<Peer>,
    /// The server's clock. All pools agree on it, whatever their own clocks show.
    pub(crate) clock: Duration,
}

impl Census {
    /// Returns the number of slots that the fleet holds.
    pub(crate) fn held(&self) -> u32 {
        self.peers.iter().fold(0, |held, peer| held.saturating_add(peer.held))
    }

    pub(crate) fn free(&self) -> u32 {
        self.slots.saturating_sub(self.others.saturating_add(self.held()))
    }

    /// Returns the slots for each pool of the fleet if all got the same, in thousandths. Of several limits the one with the
    /// least binds first.
    pub(crate) fn tightness(&self) -> u32 {
        let quota = self.slots.saturating_sub(self.others);
        quota.saturating_mul(1000) / u32::try_from(self.peers.len().max(1)).unwrap_or(u32::MAX)
    }
}

/// Returns an application name without the mark. `None` where nothing else is left.
pub(crate) fn unmarked(name: &str) -> Option<&str> {
    let is_mark = |mark: &str| mark.strip_prefix("hf:").is_some_and(|id| u32::from_str_radix(id, 16).is_ok());
    let start = name.len().checked_sub("hf:01234567".len()).filter(|start| name.is_char_boundary(*start));
    let own = match start {
        Some(start) if is_mark(&name[start..]) => name[..start].trim_end(),
        _ => name,
    };
    Some(own).filter(|own| !own.is_empty())
}
