//! The allocation: divides the server's slots among pools. It is deterministic: pools that see the same census compute the same
//! allocation.
//!
//! The fleet keeps a headroom of free slots. The rest, its quota, is divided evenly; pools that need less keep what they hold.

use std::collections::BTreeMap;
use std::time::Duration;

use super::census::{Census, Id, Peer};

/// Number of slots for each one that the fleet leaves free (at least one), so that a new pool gets in: it is visible only once
/// it holds a slot.
const SLOTS_PER_FREE_SLOT: u32 = 64;

/// The time that a slot left over from the division stays with one pool, in a small fleet.
const EPOCH: Duration = Duration::from_secs(2);

/// The most pools of a small fleet. With twice as many an epoch is twice as long, so that the number of slots that change hands
/// in a second stays the same.
const SMALL_FLEET_POOLS: u32 = 16;

/// The delay before a pool takes a slot at the turn of an epoch, since another pool has to give it up first.
const HANDOVER: Duration = Duration::from_millis(60);

/// One pool's part in the division, as of one census.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Allocation {
    /// Pools that hold slots, this one included.
    pub(crate) peers: u32,
    /// Slots that the fleet divides among them.
    pub(crate) quota: u32,
    pub(crate) free: u32,
    /// Slots that the fleet leaves free.
    headroom: u32,
    /// Slots for each pool that uses all it may have.
    each: u32,
    /// Slots left over: one for each of the first pools in a rotating order.
    over: u32,
    /// Number of pools in that order, and this pool's place among them.
    sharers: u32,
    place: u32,
    epoch: Duration,
}

impl Allocation {
    /// Computes the allocation for the pool `me`; `previous` is its last census, if it had one.
    pub(crate) fn of(census: &Census, previous: Option<&PreviousCensus>, me: Id) -> Self {
        let (quota, open) = (quota(census), census.free() > 0);
        let mut sharers: Vec<_> = census.peers.iter().filter(|peer| peer.id != me).copied().collect();
        let mut left = quota;
        // Satisfied pools keep only what they hold. The rest raises the share of the others, which may satisfy more of them;
        // repeat until none is added (max-min fairness).
        loop {
            let each = left / (sharers.len() as u32 + 1);
            let is_satisfied =
                |peer: &Peer| open && previous.is_some_and(|previous| previous.is_satisfied(peer, each));
            let (satisfied, others): (Vec<_>, Vec<_>) = sharers.iter().partition(|peer| is_satisfied(peer));
            sharers = others;
            if satisfied.is_empty() {
                break;
            }
            left -= satisfied.iter().map(|peer| peer.held).sum::<u32>();
        }
        let place = sharers.iter().filter(|peer| peer.id < me).count() as u32;
        let sharers = sharers.len() as u32 + 1;
        let peers = census.peers.len().max(1) as u32;
        let epoch = EPOCH * peers.div_ceil(SMALL_FLEET_POOLS).next_power_of_two();
        let (free, headroom) = (census.free(), headroom(census.slots));
        // A large headroom shows how many pools want in: the slots left over are for them.
        let over = if headroom > 1 { left % sharers * free.min(headroom) / headroom } else { left % sharers };
        Self { peers, quota, free, headroom, each: left / sharers, over, sharers, place, epoch }
    }

    /// Returns the slots that this pool may hold at a time of the server's clock, beside others that use all of theirs. At least
    /// one.
    pub(crate) fn share(&self, clock: Duration) -> u32 {
        let epoch = (clock.as_nanos() / self.epoch.as_nanos()) as u64;
        let mut share = self.in_epoch(epoch);
        if self.since_turn(clock) < HANDOVER {
            share = share.min(self.in_epoch(epoch.wrapping_sub(1)));
        }
        share.max(1)
    }

    /// Returns how long after `clock` the share may change next.
    pub(crate) fn next_change(&self, clock: Duration) -> Option<Duration> {
        if self.over == 0 {
            return None;
        }
        let into = self.since_turn(clock);
        Some(if into < HANDOVER { HANDOVER - into } else { self.epoch - into })
    }

    /// Returns whether some pools seem to hold nothing: all slots are taken, and no pool has two.
    pub(crate) fn is_crowded(&self) -> bool {
        self.peers > self.quota || (self.free == 0 && self.peers == self.quota)
    }

    /// Returns whether some pools may hold nothing: with one more pool, none would have two slots.
    pub(crate) fn is_tight(&self) -> bool {
        self.peers + self.headroom >= self.quota
    }

    pub(crate) fn is_scarce(&self) -> bool {
        self.free < self.quota / 4
    }

    /// Returns how many slots each pool could take with the headroom still free.
    pub(crate) fn room_for_each(&self) -> u32 {
        self.free.saturating_sub(self.headroom) / self.peers
    }

    fn in_epoch(&self, epoch: u64) -> u32 {
        let sharers = u64::from(self.sharers);
        let first = epoch % sharers * u64::from(self.over) % sharers;
        let place = (u64::from(self.place) + sharers - first) % sharers;
        self.each + u32::from(place < u64::from(self.over))
    }

    fn since_turn(&self, clock: Duration) -> Duration {
        Duration::from_nanos((clock.as_nanos() % self.epoch.as_nanos()) as u64)
    }
}

/// The part of a pool's last census that it remembers.
#[derive(Debug, Clone)]
pub(crate) struct PreviousCensus {
    held: BTreeMap<Id, u32>,
    each: u32,
    had_headroom: bool,
}

impl PreviousCensus {
    pub(crate) fn new(census: &Census, allocation: &Allocation) -> Self {
        Self {
            held: census.peers.iter().map(|peer| (peer.id, peer.held)).collect(),
            each: allocation.each,
            had_headroom: allocation.free > 0,
        }
    }

    pub(crate) fn peers(&self) -> u32 {
        self.held.len() as u32
    }

    /// Returns whether a pool wants no more than it holds: less than the equal share, then as now, and no more than then, though
    /// slots were free.
    fn is_satisfied(&self, peer: &Peer, each: u32) -> bool {
        self.had_headroom
            && peer.held < each.min(self.each)
            && self.held.get(&peer.id).is_some_and(|then| *then >= peer.held)
    }
}

/// Returns the number of slots that the fleet leaves free.
fn headroom(slots: u32) -> u32 {
    (slots / SLOTS_PER_FREE_SLOT).max(1)
}

/// Returns the slots that the fleet may hold: all but the headroom. Once it holds no more than half, it yields no further to
/// other programs, which would take whatever it gives up.
fn quota(census: &Census) -> u32 {
    let open = census.slots.saturating_sub(headroom(census.slots));
    open.saturating_sub(census.others).max(census.held().min(open / 2)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn census(slots: u32, others: u32, held: &[u32]) -> Census {
        let peers =
            held.iter().enumerate().map(|(id, held)| Peer { id: Id(id as u32), held: *held }).collect();
        Census { slots, others, peers, clock: Duration::ZERO }
    }

    /// Returns each pool's share at `clock`, after the censuses in `previous`.
    fn shares(census: &Census, previous: &[&Census], clock: Duration) -> Vec<u32> {
        let share = |me: Id| {
            let mut last = None;
            for census in previous {
                last = Some(PreviousCensus::new(census, &Allocation::of(census, last.as_ref(), me)));
            }
            Allocation::of(census, last.as_ref(), me).share(clock)
        };
        census.peers.iter().map(|peer| share(peer.id)).collect()
    }

    const MIDDLE: Duration = Duration::from_secs(1);

    #[test]
    fn one_slot_stays_free_however_many_share() {
        for pools in 1..=16 {
            let shares = shares(&census(17, 0, &vec![1; pools]), &[], MIDDLE);
            assert_eq!(shares.iter().sum::<u32>(), 16, "{shares:?}");
            assert!(shares.iter().max().unwrap() - shares.iter().min().unwrap() <= 1, "{shares:?}");
        }
    }

    #[test]
    fn what_does_not_divide_evenly_goes_round() {
        let census = census(17, 0, &[1; 10]);
        let mut had = [0; 10];
        for epoch in 0..5 {
            for (had, share) in had.iter_mut().zip(shares(&census, &[], MIDDLE + 2 * epoch * MIDDLE)) {
                *had += share;
            }
        }
        assert_eq!(had, [8; 10], "each has the same after five epochs");
    }

    #[test]
    fn a_slot_is_given_up_before_the_next_has_it() {
        let census = census(17, 0, &[1; 10]);
        let epoch = Duration::from_secs(2);
        let (old, new) = (shares(&census, &[], MIDDLE), shares(&census, &[], MIDDLE + epoch));
        let between = shares(&census, &[], epoch + Duration::from_millis(1));
        let least: Vec<u32> = old.iter().zip(&new).map(|(old, new)| *old.min(new)).collect();
        assert_eq!(between, least);
        assert_ne!(old, new);
        let allocation = Allocation::of(&census, None, Id(0));
        assert_eq!(allocation.next_change(Duration::from_millis(500)), Some(Duration::from_millis(1500)));
        assert_eq!(allocation.next_change(epoch), Some(HANDOVER));
    }

    #[test]
    fn what_one_pool_does_not_use_is_for_those_who_do() {
        let first = census(17, 0, &[2, 5, 5]);
        assert_eq!(
            shares(&first, &[], MIDDLE).iter().sum::<u32>(),
            16,
            "nobody is known to be satisfied yet"
        );
        assert_eq!(shares(&first, &[&first], MIDDLE)[1..], [7, 7]);
        // The second has all that it may have by its own configuration: it could have seven and does not take them.
        let then = census(17, 0, &[2, 5, 7]);
        assert_eq!(shares(&then, &[&first, &first], MIDDLE)[2], 9);
        // The first begins to want more, within the headroom.
        let wants = census(17, 0, &[3, 5, 9]);
        assert_eq!(shares(&wants, &[&first, &first, &then], MIDDLE)[2], 5);
    }

    #[test]
    fn a_pool_with_the_equal_share_is_not_satisfied() {
        let held = census(17, 0, &[2, 2, 2, 2, 2, 2, 1, 1, 1, 1]);
        let turns: Vec<u32> =
            (0..5).map(|epoch| shares(&held, &[&held], MIDDLE + 2 * epoch * MIDDLE)[9]).collect();
        assert_eq!(turns.iter().sum::<u32>(), 8, "{turns:?}");
    }

    #[test]
    fn the_fleet_makes_room_for_others_down_to_half_of_the_slots() {
        assert_eq!(shares(&census(17, 4, &[6, 6]), &[], MIDDLE), [6, 6]);
        assert_eq!(shares(&census(17, 5, &[6, 6]), &[], MIDDLE).iter().sum::<u32>(), 11);
        assert_eq!(shares(&census(17, 12, &[3, 2]), &[], MIDDLE).iter().sum::<u32>(), 5, "no further");
        assert_eq!(shares(&census(17, 17, &[]), &[], MIDDLE), [] as [u32; 0]);
    }

    #[test]
    fn it_is_crowded_once_the_headroom_is_taken_and_no_pool_has_two() {
        for (slots, held, crowded) in [
            (17, vec![1; 16], false),
            (17, vec![1; 17], true),
            (17, vec![8, 9], false),
            (1, vec![1], true),
            (2, vec![1], false),
        ] {
            let census = census(slots, 0, &held);
            assert_eq!(Allocation::of(&census, None, Id(0)).is_crowded(), crowded, "{held:?}");
        }
    }
}
