//! How the seats are divided: the same sum for everybody who sees the same.

use std::collections::BTreeMap;
use std::time::Duration;

use super::census::{Census, Id, Peer};

/// Slots that the fleet leaves free, so that a newcomer, who is seen only once he is in, gets in: one for so many, and at
/// least one.
const SLOTS_PER_FREE_SLOT: u32 = 64;

/// How long a seat that does not divide evenly stays with one pool, in a small fleet.
const EPOCH: Duration = Duration::from_secs(2);

/// Up to so many pools are a small fleet. With twice as many an epoch is twice as long, so that the number of seats that
/// change hands in a second stays the same.
const SMALL_FLEET_POOLS: u32 = 16;

/// Who gets a seat at the turn of an epoch tries for it so much later, since somebody else gives it up.
const HANDOVER: Duration = Duration::from_millis(60);

/// One pool's place in the division, as of one look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Allocation {
    /// Pools that hold something, this one included.
    pub(crate) peers: u32,
    /// What the fleet divides among them.
    pub(crate) quota: u32,
    pub(crate) free: u32,
    headroom: u32,
    /// For each pool that uses all it may have.
    each: u32,
    /// What is left over, one for each of the first in an order that rotates.
    over: u32,
    /// Who takes part in that order, and this pool's place among them.
    sharers: u32,
    place: u32,
    epoch: Duration,
}

impl Allocation {
    /// `before` is this pool's last look; `None` if there was none.
    pub(crate) fn of(census: &Census, previous: Option<&PreviousCensus>, me: Id) -> Self {
        let (quota, open) = (quota(census), census.free() > 0);
        let mut sharers: Vec<_> = census.peers.iter().filter(|peer| peer.id != me).copied().collect();
        let mut left = quota;
        // What the content leave is for the others, which raises what there is for each of them, by which others may turn out
        // to be content.
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
        // A large door tells how many want in: what is left over is for them.
        let over = if headroom > 1 { left % sharers * free.min(headroom) / headroom } else { left % sharers };
        Self { peers, quota, free, headroom, each: left / sharers, over, sharers, place, epoch }
    }

    /// What this pool may have at a time of the server's clock, beside others who use all they may have. At least one.
    pub(crate) fn share(&self, clock: Duration) -> u32 {
        let epoch = (clock.as_nanos() / self.epoch.as_nanos()) as u64;
        let mut share = self.in_epoch(epoch);
        if self.since_turn(clock) < HANDOVER {
            share = share.min(self.in_epoch(epoch.wrapping_sub(1)));
        }
        share.max(1)
    }

    /// When the share may change next, from `clock` on.
    pub(crate) fn next_change(&self, clock: Duration) -> Option<Duration> {
        if self.over == 0 {
            return None;
        }
        let into = self.since_turn(clock);
        Some(if into < HANDOVER { HANDOVER - into } else { self.epoch - into })
    }

    /// There are pools that hold nothing, as far as can be seen: all slots are taken, and nobody has two.
    pub(crate) fn is_crowded(&self) -> bool {
        self.peers > self.quota || (self.free == 0 && self.peers == self.quota)
    }

    /// There may be pools that hold nothing: one more, and nobody would have two.
    pub(crate) fn is_tight(&self) -> bool {
        self.peers + self.headroom >= self.quota
    }

    pub(crate) fn is_scarce(&self) -> bool {
        self.free < self.quota / 4
    }

    /// What each pool could take so that the door would still be open.
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

/// What a pool remembers of its last look.
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

    /// Whether a pool is content with what it holds: less than there is for each, then as now, and no more than then, though
    /// the door was open.
    fn is_satisfied(&self, peer: &Peer, each: u32) -> bool {
        self.had_headroom
            && peer.held < each.min(self.each)
            && self.held.get(&peer.id).is_some_and(|then| *then >= peer.held)
    }
}

fn headroom(slots: u32) -> u32 {
    (slots / SLOTS_PER_FREE_SLOT).max(1)
}

/// What the fleet may hold: all slots but the door. It does not retreat before programs that know nothing of this, which
/// would take whatever it gives up, once it holds no more than half.
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

    /// What each pool thinks it may have, at a moment in the middle of an epoch, after the looks in `before`.
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
    fn a_seat_is_given_up_before_the_next_has_it() {
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
        // The first begins to want more, by the door.
        let wants = census(17, 0, &[3, 5, 9]);
        assert_eq!(shares(&wants, &[&first, &first, &then], MIDDLE)[2], 5);
    }

    #[test]
    fn who_has_what_there_is_for_each_is_not_content() {
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
    fn it_is_crowded_once_the_door_is_taken_and_nobody_has_two() {
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
