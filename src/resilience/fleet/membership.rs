//! What one pool may hold at present, when it gives something back, when it looks again, and when it waits outside.

use std::time::{Duration, Instant};

use super::allocation::{Allocation, PreviousCensus};
use super::census::{Census, Id};
use crate::resilience::backoff::shortened;

/// The fleet makes no more looks in a second than this, however many pools it has.
const FLEET_CENSUSES_PER_SECOND: u32 = 4;

/// The shortest time between two looks of one pool.
const MIN_CENSUS_INTERVAL: Duration = Duration::from_secs(1);

/// The same while pools come and go, or the door is closed although somebody has more than one seat: somebody has to make
/// room, and finds out that it is he by looking. The fleet then makes this many looks in a second, and one more for each so
/// many slots.
const UNSETTLED_CENSUS_INTERVAL: Duration = Duration::from_millis(400);
const UNSETTLED_CENSUSES_PER_SECOND: u32 = 25;
const SLOTS_PER_EXTRA_CENSUS: u32 = 5;

/// A look that is due is made so much later, over a connection that is idle then; and if none is after another moment, over
/// the next that comes back.
const WAIT_FOR_IDLE: Duration = Duration::from_millis(20);
const WAIT_FOR_IDLE_GRACE: Duration = Duration::from_millis(5);

/// While half of the slots are free, nobody is in need: looks are so much rarer.
const RELAXED_FACTOR: u32 = 5;

/// After so many periods without a look what was seen is out of date, and counts for nothing.
const STALE_AFTER_INTERVALS: u32 = 4;

/// When looks fail, the next is tried after this.
const RETRY_AFTER_FAILURE: Duration = Duration::from_secs(60);

/// How long a pool keeps its seat where others may wait outside. It finds out whether they do by giving its seat up: if it
/// has it again at the first try, it keeps it twice as long, and so on; if it is refused, no longer than this again.
const MIN_TURN: Duration = Duration::from_millis(500);
const MAX_TURN_FACTOR: u32 = 16;

/// The shortest slice by this for each seat, so that a large server is not kept busy with opening connections.
const MIN_TURN_PER_SLOT: Duration = Duration::from_millis(4);

/// Who gave up its seat stays out for at least half of this, and longer than those who wait outside take between two tries.
const PAUSE_AFTER_TURN: Duration = Duration::from_millis(300);

/// Who holds nothing and was refused tries again after this. The longer it has waited the more often it tries, down to a
/// shortest wait: who has waited longest is served first, most of the time.
const LONGEST_RETRY_WAIT: Duration = Duration::from_millis(400);
const SHORTEST_RETRY_WAIT: Duration = Duration::from_millis(125);

/// After so long outside, the wait is half of the longest.
const RETRY_WAIT_HALF_LIFE: Duration = Duration::from_millis(1_000);

/// This pool's share of the slots.
#[derive(Debug)]
pub(crate) struct Membership {
    me: Id,
    most: u32,
    view: Option<View>,
    previous: Option<PreviousCensus>,
    /// `None`: at the first opportunity.
    next_census: Option<Instant>,
    /// A look is due, and made from then on: first over what is idle, a little later over what comes back.
    planned: Option<Instant>,
    /// Since when the pool has held anything without a break.
    holding_since: Option<Instant>,
    outside: Option<Outside>,
    /// How long the pool keeps its seat next, in shortest slices.
    turn_factor: u32,
}

/// What the last look showed.
#[derive(Debug, Clone, Copy)]
struct View {
    allocation: Allocation,
    at: Instant,
    clock: Duration,
    until: Instant,
    /// While there is plenty, this may be held above the share.
    surplus: u32,
}

/// The pool holds nothing and may not try for anything yet.
#[derive(Debug, Clone, Copy)]
struct Outside {
    since: Instant,
    until: Instant,
    refused: bool,
}

/// How a pool stands in its fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FleetMetrics {
    pub(crate) share: u32,
    pub(crate) peers: u32,
}

impl Membership {
    /// `most` is the configured cap.
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

    /// Whether it is time to look. There is no look without a connection to look from.
    pub(crate) fn is_census_due(&self, now: Instant) -> bool {
        self.next_census.is_none_or(|at| at <= now)
    }

    /// A connection came back, and a look is due. Whether it is made over this one: rather over one that nobody misses, a
    /// moment later, if there is one by then.
    pub(crate) fn may_use_returned(&mut self, now: Instant) -> bool {
        let planned = *self.planned.get_or_insert(now + WAIT_FOR_IDLE);
        self.is_census_due(now) && planned + WAIT_FOR_IDLE_GRACE <= now
    }

    /// Whether a look is to be made over what is idle.
    pub(crate) fn may_use_idle(&self, now: Instant) -> bool {
        self.planned.is_some_and(|at| at <= now)
    }

    /// From when on a connection that comes back matters for a look.
    pub(crate) fn next_census(&self, now: Instant) -> Instant {
        self.planned.map_or(self.next_census.unwrap_or(now), |at| at + WAIT_FOR_IDLE_GRACE)
    }

    /// The pool holds nothing and may not try for anything yet.
    pub(crate) fn is_outside(&self, now: Instant) -> bool {
        self.outside.is_some_and(|outside| outside.until > now)
    }

    /// Slots are few: no quarter of them is free.
    pub(crate) fn is_scarce(&self, now: Instant) -> bool {
        self.view(now).is_some_and(|view| view.allocation.is_scarce())
    }

    /// A look begins; there is no other until it has ended.
    pub(crate) fn begin_census(&mut self, now: Instant) {
        self.next_census = Some(now + RETRY_AFTER_FAILURE);
        self.planned = None;
    }

    /// A look showed this. `chance` is uniform in 0..1.
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

    /// A look failed, or showed nothing of use.
    pub(crate) fn census_failed(&mut self, now: Instant) {
        self.view = None;
        self.previous = None;
        self.next_census = Some(now + RETRY_AFTER_FAILURE);
    }

    /// What the pool may hold.
    pub(crate) fn ceiling(&self, now: Instant) -> u32 {
        self.view(now).map_or(self.most, |view| view.share(now)).min(self.most)
    }

    /// `None` while nothing is known of the fleet.
    pub(crate) fn figures(&self, now: Instant) -> Option<FleetMetrics> {
        let view = self.view(now)?;
        Some(FleetMetrics { share: view.share(now).min(self.most), peers: view.allocation.peers })
    }

    /// Whether something is known of the fleet.
    pub(crate) fn is_known(&self, now: Instant) -> bool {
        self.view(now).is_some()
    }

    /// Whether a pool with `live` connections may open another.
    pub(crate) fn may_open(&self, live: u32, now: Instant) -> bool {
        self.outside.is_none_or(|outside| outside.until <= now) && live < self.ceiling(now)
    }

    /// Whether a pool that holds `held` connections gives one of them back, now that it can.
    pub(crate) fn must_give_back(&self, held: u32, now: Instant) -> bool {
        held > self.ceiling(now) || self.is_turn_over(now)
    }

    /// A connection was given back or closed, after which `held` are held.
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

    /// A connection was opened.
    pub(crate) fn opened(&mut self, now: Instant) {
        let at_once = self.outside.take().is_some_and(|outside| !outside.refused);
        if at_once && self.view(now).is_some_and(|view| !view.allocation.is_crowded()) {
            self.turn_factor = (self.turn_factor * 2).min(MAX_TURN_FACTOR);
        }
        self.holding_since.get_or_insert(now);
    }

    /// The server is full. A pool that holds nothing has to wait outside.
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

    /// When there may be something to do that nobody's return or call brings about: a seat to give up or to take.
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

    /// Others wait outside, and this pool has had its seat for a slice.
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

    /// The server's clock.
    fn clock_at(&self, now: Instant) -> Duration {
        self.clock + now.saturating_duration_since(self.at)
    }
}

/// `may_take`: what this pool may open before the next look.
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
