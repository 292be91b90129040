//! The effective limit on a pool's connections: the least of the configured maximum, the limit learned from the server
//! ([`LearnedLimit`]) and the pool's share in its fleet ([`Membership`]).

use std::time::{Duration, Instant};

use super::fleet::census::{Census, Id};
use super::fleet::membership::{FleetMetrics, Membership};
use super::learned_limit::{LearnedLimit, Moved, TryIntervals};
use crate::error::LimitedBy;

/// Waits before trying for one more connection in a fleet, where another pool gives a slot back soon.
const TRY_INTERVALS_IN_FLEET: TryIntervals =
    TryIntervals { first: Duration::from_millis(100), longest: Duration::from_secs(1) };

#[derive(Debug)]
pub(crate) struct EffectiveLimit {
    learned: LearnedLimit,
    alone: TryIntervals,
    /// `None`: this pool does not share.
    share: Option<Membership>,
}

impl EffectiveLimit {
    /// `pace`: the waits before trying for one more than the learned limit. `me`: the pool's id in its fleet, if it shares.
    pub(crate) fn new(most: u32, pace: TryIntervals, me: Option<Id>) -> Self {
        Self {
            learned: LearnedLimit::new(most, pace),
            alone: pace,
            share: me.map(|me| Membership::new(me, most)),
        }
    }

    /// Returns the configured maximum.
    #[inline]
    pub(crate) fn most(&self) -> u32 {
        self.learned.most()
    }

    /// Sets the configured maximum.
    pub(crate) fn set_most(&mut self, most: u32) {
        self.learned.set_most(most);
        if let Some(share) = &mut self.share {
            share.set_most(most);
        }
    }

    /// Returns the limit in force.
    pub(crate) fn now(&self, now: Instant) -> u32 {
        self.learned.now().min(self.ceiling(now))
    }

    /// Returns the cause that keeps it below the configured maximum.
    pub(crate) fn limited_by(&self, now: Instant) -> Option<LimitedBy> {
        let learned = self.learned.now();
        if self.ceiling(now) < learned { Some(LimitedBy::Fleet) } else { self.learned.limited_by() }
    }

    /// Returns whether a pool with `live` connections may open another.
    pub(crate) fn may_open(&self, live: u32, now: Instant) -> bool {
        live < self.learned.now() && self.share.as_ref().is_none_or(|share| share.may_open(live, now))
    }

    /// Returns the membership in a fleet; `None` for a pool that does not share.
    pub(crate) fn share(&self) -> Option<&Membership> {
        self.share.as_ref()
    }

    pub(crate) fn share_mut(&mut self) -> Option<&mut Membership> {
        self.share.as_mut()
    }

    /// Returns the pool's share and its peers, if they are known.
    pub(crate) fn figures(&self, now: Instant) -> Option<FleetMetrics> {
        self.share.as_ref()?.figures(now)
    }

    /// Returns whether a pool that holds `held` connections must give one of them up.
    #[inline]
    pub(crate) fn must_give_back(&self, held: u32, now: Instant) -> bool {
        self.share.as_ref().is_some_and(|share| share.must_give_back(held, now))
    }

    /// Returns when one more may be tried; `None` without a learned limit.
    pub(crate) fn next_try(&self) -> Option<Instant> {
        self.learned.next_try()
    }

    /// Records that the server refused a connection while the pool held `held`. `chance` is uniform in 0..1.
    pub(crate) fn refused(&mut self, by: LimitedBy, held: u32, now: Instant, chance: f64) -> Option<Moved> {
        if let Some(share) = &mut self.share {
            share.refused(held, now, chance);
            self.learned.set_pace(if share.is_known(now) { TRY_INTERVALS_IN_FLEET } else { self.alone });
        }
        self.learned.refused(by, held, now, chance)
    }

    /// Raises the learned limit by one for a waiting caller, if the next try is due and the share allows more.
    pub(crate) fn raise(&mut self, now: Instant, chance: f64) -> Option<Moved> {
        if self.learned.now() >= self.ceiling(now) {
            return None;
        }
        self.learned.raise(now, chance)
    }

    /// Records that a connection was opened, and now `held` are held.
    pub(crate) fn opened(&mut self, held: u32, now: Instant, chance: f64) -> Option<Moved> {
        if let Some(share) = &mut self.share {
            share.opened(now);
        }
        self.learned.opened(held, now, chance)
    }

    /// Applies a census, taken while the pool held `held`.
    pub(crate) fn census_taken(&mut self, census: &Census, held: u32, now: Instant, chance: f64) {
        if let Some(share) = &mut self.share {
            share.census_taken(census, now, chance);
            // Seen free slots are newer than what was learned from refusals.
            self.learned.allowed(held + census.free());
        }
    }

    /// Forgets an old learned limit while the pool is unused.
    pub(crate) fn forget_if_old(&mut self, now: Instant) -> Option<Moved> {
        self.learned.forget_if_old(now)
    }

    fn ceiling(&self, now: Instant) -> u32 {
        self.share.as_ref().map_or(u32::MAX, |share| share.ceiling(now))
    }
}
