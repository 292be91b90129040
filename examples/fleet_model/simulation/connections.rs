//! The life of a connection: opened or refused, counted by a census, returned, given back, closed.

use std::time::Duration;

use super::pool::Pool;
use super::world::{Event, World};
use super::{MS, SECOND, Time};
use crate::error::LimitedBy;
use crate::resilience::fleet::census::{Census, Peer};
use crate::resilience::learned_limit::Moved;

/// The idle timeout of a full server: a quarter of the usual 15 s.
const IDLE_TIMEOUT: Time = 3750 * MS;

impl World {
    pub(super) fn connect(&mut self, index: usize) {
        if self.taken < self.slots {
            self.taken += 1;
            let delay = 3 * MS + self.rng.u64(0..2 * MS);
            self.after(delay, index, Event::Opened);
        } else {
            self.totals.refused += 1;
            self.totals.refused_later += u32::from(self.now > 2 * SECOND);
            // Without a share, a pool that holds nothing goes by `retry_base_delay`.
            let backs_off = self.pools[index].limit.share().is_none() && self.pools[index].held() == 0;
            self.after(if backs_off { SECOND } else { MS }, index, Event::Refused);
        }
    }

    pub(super) fn opened(&mut self, index: usize) {
        let (instant, chance) = (self.instant(), self.rng.f64());
        self.sessions[index] += 1;
        self.totals.opens += 1;
        let pool = &mut self.pools[index];
        pool.opening -= 1;
        pool.idle += 1;
        let held = pool.held();
        pool.limit.opened(held, instant, chance);
    }

    pub(super) fn refused(&mut self, index: usize) {
        let (instant, chance) = (self.instant(), self.rng.f64());
        let pool = &mut self.pools[index];
        pool.opening -= 1;
        let held = pool.held();
        pool.limit.refused(LimitedBy::Server, held, instant, chance);
        self.set_retry(index);
    }

    pub(super) fn set_retry(&mut self, index: usize) {
        let Some(next) = self.pools[index].limit.next_try() else { return };
        if !std::mem::replace(&mut self.pools[index].retries, true) {
            let at = self.time(next).max(self.now + 1);
            self.at(at, index, Event::Retry);
        }
    }

    pub(super) fn retry(&mut self, index: usize) {
        let (instant, chance) = (self.instant(), self.rng.f64());
        let pool = &mut self.pools[index];
        pool.retries = false;
        if pool.idle == 0 && !pool.queue.is_empty() {
            let _: Option<Moved> = pool.limit.raise(instant, chance);
        }
        if pool.limit.next_try().is_some() {
            pool.retries = true;
            let at = pool.limit.next_try().map_or(0, |next| self.time(next)).max(self.now + 100 * MS);
            self.at(at, index, Event::Retry);
        }
    }

    /// Takes a connection back, or gives its slot back if the limit says so.
    pub(super) fn return_connection(&mut self, index: usize) {
        let instant = self.instant();
        let pool = &mut self.pools[index];
        pool.in_use -= 1;
        if pool.departing == 0 && pool.limit.must_give_back(pool.held() + 1, instant) {
            self.give_back(index);
        } else {
            pool.idle += 1;
        }
    }

    pub(super) fn give_back(&mut self, index: usize) {
        let (instant, chance) = (self.instant(), self.rng.f64());
        let pool = &mut self.pools[index];
        pool.departing += 1;
        let held = pool.held();
        if let Some(share) = pool.limit.share_mut() {
            share.gave_back(held, instant, chance);
        }
        self.after(2 * MS, index, Event::Closed);
    }

    pub(super) fn closed(&mut self, index: usize) {
        self.taken -= 1;
        self.sessions[index] -= 1;
        let pool = &mut self.pools[index];
        pool.departing = pool.departing.saturating_sub(1);
    }

    pub(super) fn census_taken(&mut self, index: usize) {
        self.totals.censuses += 1;
        let (instant, chance) = (self.instant(), self.rng.f64());
        let visible = |(pool, held): (&Pool, &u32)| (*held > 0).then_some(Peer { id: pool.id, held: *held });
        let census = Census {
            slots: self.slots,
            others: self.others,
            peers: self.pools.iter().zip(&self.sessions).filter_map(visible).collect(),
            clock: Duration::from_nanos(self.now),
        };
        let pool = &mut self.pools[index];
        let held = pool.held();
        pool.limit.census_taken(&census, held, instant, chance);
        self.return_connection(index);
    }

    pub(super) fn set_timer(&mut self, index: usize) {
        let instant = self.instant();
        let pool = &self.pools[index];
        let Some(next) = pool.limit.share().and_then(|share| share.next_event(pool.held(), instant)) else {
            return;
        };
        let at = self.time(next);
        if pool.timer.is_none_or(|set| set <= self.now || at < set) {
            self.pools[index].timer = Some(at);
            self.at(at, index, Event::Timer(at));
        }
    }

    /// Gives an idle connection back if the limit says so, as the pool's own timer does.
    pub(super) fn timer(&mut self, index: usize, at: Time) {
        if self.pools[index].timer == Some(at) {
            self.pools[index].timer = None;
        }
        let instant = self.instant();
        let pool = &mut self.pools[index];
        if pool.idle > 0 && pool.departing == 0 && pool.limit.must_give_back(pool.held(), instant) {
            pool.idle -= 1;
            self.give_back(index);
        }
    }

    pub(super) fn close_idle(&mut self, index: usize) {
        while self.pools[index].idle > 0 {
            self.pools[index].idle -= 1;
            self.give_back(index);
        }
    }

    pub(super) fn close_expired(&mut self, index: usize) {
        let now = self.now;
        let pool = &mut self.pools[index];
        let (since, least) = pool.idle_since;
        pool.idle_since = (since, least.min(pool.idle));
        if now - since < IDLE_TIMEOUT {
            return;
        }
        let expired = pool.idle_since.1;
        pool.idle -= expired;
        pool.idle_since = (now, pool.idle);
        for _ in 0..expired {
            self.give_back(index);
        }
    }
}
