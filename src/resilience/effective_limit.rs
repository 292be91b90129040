//! How many connections a pool may have at present: what it was configured to have, what the server was found to allow
//! ([`LearnedLimit`]), and its share among other pools ([`Membership`]), whichever is least.

use std::time::{Duration, Instant};

use super::fleet::census::{Census, Id};
use super::fleet::membership::{FleetMetrics, Membership};
use super::learned_limit::{LearnedLimit, Moved, TryIntervals};
use crate::error::LimitedBy;

/// Of trying for one more in a fleet: what a refused pool lacks, another one gives back soon.
const IN_A_FLEET: TryIntervals =
    TryIntervals { first: Duration::from_millis(100), longest: Duration::from_secs(1) };

#[derive(Debug)]
pub(crate) struct EffectiveLimit {
    learned: LearnedLimit,
    alone: TryIntervals,
    /// `None`: this pool does not share.
    share: Option<Membership>,
}

impl EffectiveLimit {
    /// `pace`: of trying for one more than the server was found to allow. `me`: under which name the pool shares, if it does.
    pub(crate) fn new(most: u32, pace: TryIntervals, me: Option<Id>) -> Self {
        Self {
            learned: LearnedLimit::new(most, pace),
            alone: pace,
            share: me.map(|me| Membership::new(me, most)),
        }
    }

    /// The cap in force.
    pub(crate) fn now(&self, now: Instant) -> u32 {
        self.learned.now().min(self.ceiling(now))
    }

    /// What keeps it below the configured cap.
    pub(crate) fn limited_by(&self, now: Instant) -> Option<LimitedBy> {
        let learned = self.learned.now();
        if self.ceiling(now) < learned { Some(LimitedBy::Fleet) } else { self.learned.limited_by() }
    }

    /// Whether a pool with `live` connections may open another.
    pub(crate) fn may_open(&self, live: u32, now: Instant) -> bool {
        live < self.learned.now() && self.share.as_ref().is_none_or(|share| share.may_open(live, now))
    }

    /// The share; `None` without one.
    pub(crate) fn share(&self) -> Option<&Membership> {
        self.share.as_ref()
    }

    pub(crate) fn share_mut(&mut self) -> Option<&mut Membership> {
        self.share.as_mut()
    }

    /// How the pool stands in its fleet, as far as that is known.
    pub(crate) fn figures(&self, now: Instant) -> Option<FleetMetrics> {
        self.share.as_ref()?.figures(now)
    }

    /// Whether a pool that holds `held` connections gives one of them back, now that it can.
    #[inline]
    pub(crate) fn must_give_back(&self, held: u32, now: Instant) -> bool {
        self.share.as_ref().is_some_and(|share| share.must_give_back(held, now))
    }

    /// When one more may be tried; `None` while nothing was learned.
    pub(crate) fn next_try(&self) -> Option<Instant> {
        self.learned.next_try()
    }

    /// The server refused a connection while the pool held `held`. `chance` is uniform in 0..1.
    pub(crate) fn refused(&mut self, by: LimitedBy, held: u32, now: Instant, chance: f64) -> Option<Moved> {
        if let Some(share) = &mut self.share {
            share.refused(held, now, chance);
            self.learned.set_pace(if share.is_known(now) { IN_A_FLEET } else { self.alone });
        }
        self.learned.refused(by, held, now, chance)
    }

    /// Somebody waits for a connection: raises the learned limit by one, if it is time to and the share allows more.
    pub(crate) fn raise(&mut self, now: Instant, chance: f64) -> Option<Moved> {
        if self.learned.now() >= self.ceiling(now) {
            return None;
        }
        self.learned.raise(now, chance)
    }

    /// A connection was opened, and now `held` are held.
    pub(crate) fn opened(&mut self, held: u32, now: Instant, chance: f64) -> Option<Moved> {
        if let Some(share) = &mut self.share {
            share.opened(now);
        }
        self.learned.opened(held, now, chance)
    }

    /// A look at the server showed this, while the pool held `held`.
    pub(crate) fn census_taken(&mut self, look: &Census, held: u32, now: Instant, chance: f64) {
        if let Some(share) = &mut self.share {
            share.census_taken(look, now, chance);
            // That there is room is news, whatever was learned from refusals before.
            self.learned.allowed(held + look.free());
        }
    }

    /// Nobody uses the pool.
    pub(crate) fn forget_if_old(&mut self, now: Instant) -> Option<Moved> {
        self.learned.forget_if_old(now)
    }

    fn ceiling(&self, now: Instant) -> u32 {
        self.share.as_ref().map_or(u32::MAX, |share| share.ceiling(now))
    }
}
