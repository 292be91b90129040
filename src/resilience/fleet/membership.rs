//! One pool's membership in its fleet: how many slots it may hold, when it gives one up, when it takes the next census, and when
//! it waits without a slot.

use std::time::{Duration, Instant};

use super::allocation::{Allocation, PreviousCensus};
use super::census::{Census, Id};
use crate::resilience::backoff::shortened;

/// The most censuses of the whole fleet in a second, however many pools it has.
const FLEET_CENSUSES_PER_SECOND: u32 = 4;

/// The shortest time between two censuses of one pool.
const MIN_CENSUS_INTERVAL: Duration = Duration::from_secs(1);

/// The same while pools come and go, or no slot is free although a pool has more than one. One pool must then give up a slot;
/// it learns that it is the one from its next census. The fleet then takes `UNSETTLED_CENSUSES_PER_SECOND`, and one more for
/// each `SLOTS_PER_EXTRA_CENSUS` slots.
const UNSETTLED_CENSUS_INTERVAL: Duration = Duration::from_millis(400);
const UNSETTLED_CENSUSES_PER_SECOND: u32 = 25;
const SLOTS_PER_EXTRA_CENSUS: u32 = 5;

/// A census that is due waits this long for an idle connection; after the grace it uses the next one that is returned.
const WAIT_FOR_IDLE: Duration = Duration::from_millis(20);
const WAIT_FOR_IDLE_GRACE: Duration = Duration::from_millis(5);

/// Censuses are this much rarer while half of the slots are free, since no pool is in need.
const RELAXED_FACTOR: u32 = 5;

/// A census is out of date, and ignored, after this many intervals without another.
const STALE_AFTER_INTERVALS: u32 = 4;

/// The time to the next census after one that failed.
const RETRY_AFTER_FAILURE: Duration = Duration::from_secs(60);

/// The shortest turn: how long a pool keeps its only slot where others may wait for one. It learns whether others wait by giving
/// the slot up. If it gets one back at the first try, its next turn is twice as long, and so on; if it is refused, this short
/// again.
const MIN_TURN: Duration = Duration::from_millis(500);
const MAX_TURN_FACTOR: u32 = 16;

/// The shortest turn for each slot of the quota, so that a large server is not kept busy with opening connections.
const MIN_TURN_PER_SLOT: Duration = Duration::from_millis(4);

/// A pool that gave up its slot waits for at least half of this, which is longer than waiting pools take between two tries.
const PAUSE_AFTER_TURN: Duration = Duration::from_millis(300);

/// A pool that holds nothing and was refused tries again after this. The longer it has waited the more often it tries, down to
/// the shortest wait: the pool that has waited longest is served first, most of the time.
const LONGEST_RETRY_WAIT: Duration = Duration::from_millis(400);
const SHORTEST_RETRY_WAIT: Duration = Duration::from_millis(125);

/// The time without a slot after which the wait is half of the longest.
const RETRY_WAIT_HALF_LIFE: Duration = Duration::from_millis(1_000);

/// One pool's membership in its fleet.
#[derive(Debug)]
pub(crate) struct Membership {
    me: Id,
    most: u32,
    view: Option<View>,
    previous: Option<PreviousCensus>,
    /// `None`: at the first opportunity.
    next_census: Option<Instant>,
    /// A census is due and taken from then on: first over an idle connection, a little later over a returned one.
    planned: Option<Instant>,
    /// The time since which the pool has held a slot without a break.
    holding_since: Option<Instant>,
    outside: Option<Outside>,
    /// The length of the next turn, in shortest turns.
    turn_factor: u32,
}

/// The result of the last census.
#[derive(Debug, Clone, Copy)]
struct View {
    allocation: Allocation,
    at: Instant,
    clock: Duration,
    until: Instant,
    /// While many slots are free, up to this may be held above the share.
    surplus: u32,
}

/// The pool holds nothing and may not try for anything yet.
#[derive(Debug, Clone, Copy)]
struct Outside {
    since: Instant,
    until: Instant,
    refused: bool,
}

/// A pool's share and the number of its peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FleetMetrics {
    pub(crate) share: u32,
    pub(crate) peers: u32,
}

impl Membership {
    /// Creates a membership; `most` is the configured maximum.
    pub(crate) fn new(me: Id, most: u32) -> Self {
        Self {
            me,
            most,
            view: None,
            previous: None,
            next_census: None,
            planned: None,
            holding_since: None,
            outside: None,
            turn_factor: 1,
        }
    }

    /// Sets the configured maximum.
    pub(crate) fn set_most(&mut self, most: u32) {
        self.most = most;
    }

    /// Returns whether a census is due. It is taken only over a connection that the pool has.
    pub(crate) fn is_census_due(&self, now: Instant) -> bool {
        self.next_census.is_none_or(|at| at <= now)
    }

    /// Returns whether a census that is due may use a connection that was just returned. An idle one is preferred, if there is
    /// one a moment later.
    pub(crate) fn may_use_returned(&mut self, now: Instant) -> bool {
        let planned = *self.planned.get_or_insert(now + WAIT_FOR_IDLE);
        self.is_census_due(now) && planned + WAIT_FOR_IDLE_GRACE <= now
    }

    /// Returns whether a census is to be taken over an idle connection.
    pub(crate) fn may_use_idle(&self, now: Instant) -> bool {
        self.planned.is_some_and(|at| at <= now)
    }

    /// Returns when a returned connection may be used for a census.
    pub(crate) fn next_census(&self, now: Instant) -> Instant {
        self.planned.map_or(self.next_census.unwrap_or(now), |at| at + WAIT_FOR_IDLE_GRACE)
    }

    /// Returns whether the pool holds nothing and may not try for a slot yet.
    pub(crate) fn is_outside(&self, now: Instant) -> bool {
        self.outside.is_some_and(|outside| outside.until > now)
    }

    /// Returns whether less than a quarter of the slots is free.
    pub(crate) fn is_scarce(&self, now: Instant) -> bool {
        self.view(now).is_some_and(|view| view.allocation.is_scarce())
    }

    /// Records that a census begins; no other begins until it has ended.
    pub(crate) fn begin_census(&mut self, now: Instant) {
        self.next_census = Some(now + RETRY_AFTER_FAILURE);
        self.planned = None;
    }

    /// Applies a census. `chance` is uniform in 0..1.
    pub(crate) fn census_taken(&mut self, census: &Census, now: Instant, chance: f64) {
        let allocation = Allocation::of(census, self.previous.as_ref(), self.me);
        let held = census.peers.iter().find(|peer| peer.id == self.me).map_or(0, |peer| peer.held);
        let surplus = match allocation.room_for_each() {
            0 => 0,
            room => held + room,
        };
        let may_take = allocation.share(census.clock).max(surplus).min(self.most).saturating_sub(held);
        let period = period(census, &allocation, may_take, self.previous.as_ref());
        self.previous = Some(PreviousCensus::new(census, &allocation));
        if allocation.is_crowded() {
            self.turn_factor = 1;
        }
        self.next_census = Some(now + period.mul_f64(0.75 + chance / 2.0));
        self.view = Some(View {
            allocation,
            at: now,
            clock: census.clock,
            until: now + STALE_AFTER_INTERVALS * period,
            surplus,
        });
    }

    /// Records that a census failed or was of no use.
    pub(crate) fn census_failed(&mut self, now: Instant) {
        self.view = None;
        self.previous = None;
        self.next_census = Some(now + RETRY_AFTER_FAILURE);
    }

    /// Returns the number of slots that the pool may hold.
    pub(crate) fn ceiling(&self, now: Instant) -> u32 {
        self.view(now).map_or(self.most, |view| view.share(now)).min(self.most)
    }

    /// Returns the share and peers; `None` while no census is valid.
    pub(crate) fn figures(&self, now: Instant) -> Option<FleetMetrics> {
        let view = self.view(now)?;
        Some(FleetMetrics { share: view.share(now).min(self.most), peers: view.allocation.peers })
    }

    /// Returns whether a census is valid.
    pub(crate) fn is_known(&self, now: Instant) -> bool {
        self.view(now).is_some()
    }

    /// Returns whether a pool with `live` connections may open another.
    pub(crate) fn may_open(&self, live: u32, now: Instant) -> bool {
        self.outside.is_none_or(|outside| outside.until <= now) && live < self.ceiling(now)
    }

    /// Returns whether a pool that holds `held` connections must give one of them up.
    pub(crate) fn must_give_back(&self, held: u32, now: Instant) -> bool {
        held > self.ceiling(now) || self.is_turn_over(now)
    }

    /// Records that a connection was given up or closed, after which `held` are held.
    pub(crate) fn gave_back(&mut self, held: u32, now: Instant, chance: f64) {
        if held > 0 {
            return;
        }
        if self.is_turn_over(now) {
            self.outside = Some(Outside {
                since: now,
                until: now + shortened(PAUSE_AFTER_TURN, chance),
                refused: false,
            });
        }
        self.holding_since = None;
    }

    /// Records that a connection was opened.
    pub(crate) fn opened(&mut self, now: Instant) {
        let at_once = self.outside.take().is_some_and(|outside| !outside.refused);
        if at_once && self.view(now).is_some_and(|view| !view.allocation.is_crowded()) {
            self.turn_factor = (self.turn_factor * 2).min(MAX_TURN_FACTOR);
        }
        self.holding_since.get_or_insert(now);
    }

    /// Records that the server was full. A pool that holds nothing has to wait.
    pub(crate) fn refused(&mut self, held: u32, now: Instant, chance: f64) {
        if held > 0 {
            if self.view(now).is_none_or(|view| now.saturating_duration_since(view.at) >= MIN_CENSUS_INTERVAL)
            {
                self.next_census = Some(now);
            }
            return;
        }
        self.turn_factor = 1;
        let since = self.outside.map_or(now, |outside| outside.since);
        let waited = now.saturating_duration_since(since).as_secs_f64();
        let wait = LONGEST_RETRY_WAIT
            .mul_f64(0.5_f64.powf(waited / RETRY_WAIT_HALF_LIFE.as_secs_f64()))
            .max(SHORTEST_RETRY_WAIT);
        let until = now + shortened(wait, chance);
        self.outside = Some(Outside { since, until, refused: true });
    }

    /// Returns when a slot may have to be given up or taken without a call or a returned connection.
    pub(crate) fn next_event(&self, held: u32, now: Instant) -> Option<Instant> {
        let outside = self.outside.map(|outside| outside.until);
        let view = self.view(now);
        let turn = self.turn_ends().filter(|_| held > 0 && self.is_tight(now));
        let change =
            view.and_then(|view| view.allocation.next_change(view.clock_at(now))).map(|in_| now + in_);
        [outside, turn, change, self.planned].into_iter().flatten().filter(|at| *at > now).min()
    }

    fn view(&self, now: Instant) -> Option<&View> {
        self.view.as_ref().filter(|view| now < view.until)
    }

    /// Returns whether other pools may wait and this pool's turn has ended.
    fn is_turn_over(&self, now: Instant) -> bool {
        self.turn_ends().is_some_and(|end| end <= now) && self.is_tight(now)
    }

    fn is_tight(&self, now: Instant) -> bool {
        self.view(now).is_some_and(|view| view.allocation.is_tight())
    }

    fn turn_ends(&self) -> Option<Instant> {
        let quota = self.view.as_ref()?.allocation.quota;
        Some(self.holding_since? + MIN_TURN.max(MIN_TURN_PER_SLOT * quota) * self.turn_factor)
    }
}

impl View {
    fn share(&self, now: Instant) -> u32 {
        self.allocation.share(self.clock_at(now)).max(self.surplus)
    }

    /// Returns the server's clock.
    fn clock_at(&self, now: Instant) -> Duration {
        self.clock + now.saturating_duration_since(self.at)
    }
}

/// Returns the time to the next census. `may_take`: the connections that this pool may open before then.
fn period(
    census: &Census,
    allocation: &Allocation,
    may_take: u32,
    previous: Option<&PreviousCensus>,
) -> Duration {
    let second = Duration::from_secs(1);
    let came_or_went = previous.is_none_or(|previous| previous.peers() != allocation.peers);
    if !allocation.is_tight() && (came_or_went || allocation.free == 0) {
        let rate = UNSETTLED_CENSUSES_PER_SECOND + census.slots / SLOTS_PER_EXTRA_CENSUS;
        return UNSETTLED_CENSUS_INTERVAL.max(second * allocation.peers / rate);
    }
    let period = MIN_CENSUS_INTERVAL.max(second * allocation.peers / FLEET_CENSUSES_PER_SECOND);
    if allocation.free.saturating_sub(may_take) > census.slots / 2 { RELAXED_FACTOR * period } else { period }
}
