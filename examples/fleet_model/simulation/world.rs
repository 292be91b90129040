//! The simulated time, its events and the server.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use super::outcome::Outcomes;
use super::pool::Pool;
use super::scene::{Process, Scene};
use super::{CALLER_TIMEOUT, MS, REQUEST_TIME, Time};
use crate::resilience::fleet::census::Id;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    Start,
    /// A connect reaches the server.
    Connect,
    Opened,
    Refused,
    /// A request that began then is done.
    Done(Time),
    CensusTaken,
    /// The server has closed a session.
    Closed,
    /// A timer of the pool.
    Timer(Time),
    Retry,
    Kill,
    Stop,
    Demand,
    Sample,
}

/// The server, the pools, and the events to come.
pub(super) struct World {
    pub(super) began: Instant,
    pub(super) now: Time,
    pub(super) events: BinaryHeap<Reverse<(Time, u64, usize, Event)>>,
    pub(super) count: u64,
    pub(super) rng: fastrand::Rng,
    pub(super) slots: u32,
    pub(super) others: u32,
    /// Slots taken, those of sessions that are still starting included.
    pub(super) taken: u32,
    /// The sessions of each process that a census shows.
    pub(super) sessions: Vec<u32>,
    pub(super) pools: Vec<Pool>,
    pub(super) totals: Outcomes,
    pub(super) span: Time,
}

/// Runs a scene to its end.
pub(crate) fn play(scene: &Scene) -> Outcomes {
    let mut world = World::of(scene);
    while let Some(Reverse((at, _, index, event))) = world.events.pop() {
        if at > scene.span {
            break;
        }
        world.now = at;
        world.handle(index, event);
    }
    world.finish()
}
impl World {
    fn of(scene: &Scene) -> Self {
        let mut rng = fastrand::Rng::with_seed(scene.seed);
        let pool = |process: &Process| Pool::new(process, Id(rng.u32(..)), scene.share);
        let pools: Vec<Pool> = scene.processes.iter().map(pool).collect();
        let mut world = Self {
            began: Instant::now(),
            now: 0,
            events: BinaryHeap::new(),
            count: 0,
            rng: fastrand::Rng::with_seed(scene.seed + 1),
            slots: scene.slots,
            others: scene.others,
            taken: scene.others,
            sessions: vec![0; pools.len()],
            pools,
            totals: Outcomes::default(),
            span: scene.span,
        };
        for (index, process) in scene.processes.iter().enumerate() {
            world.at(process.starts, index, Event::Start);
            world.at(process.killed.unwrap_or(Time::MAX), index, Event::Kill);
            world.at(process.stops.unwrap_or(Time::MAX), index, Event::Stop);
            if let Some((from, to, _)) = process.quiet {
                world.at(from, index, Event::Demand);
                world.at(to, index, Event::Demand);
            }
        }
        world.at(0, 0, Event::Sample);
        world
    }

    pub(super) fn at(&mut self, time: Time, index: usize, event: Event) {
        self.count += 1;
        if time <= self.span {
            self.events.push(Reverse((time, self.count, index, event)));
        }
    }

    pub(super) fn after(&mut self, delay: Time, index: usize, event: Event) {
        self.at(self.now + delay, index, event);
    }

    pub(super) fn instant(&self) -> Instant {
        self.began + Duration::from_nanos(self.now)
    }

    pub(super) fn time(&self, instant: Instant) -> Time {
        instant.saturating_duration_since(self.began).as_nanos() as Time
    }

    fn handle(&mut self, index: usize, event: Event) {
        if self.pools[index].killed && !matches!(event, Event::Sample | Event::Closed) {
            // A session that was starting ends with its client.
            self.taken -= u32::from(event == Event::Opened);
            return;
        }
        match event {
            Event::Start => self.pools[index].running = true,
            Event::Stop => self.pools[index].running = false,
            Event::Demand => {}
            Event::Kill => return self.kill(index),
            Event::Sample => return self.sample(),
            Event::Connect => return self.connect(index),
            Event::Opened => self.opened(index),
            Event::Refused => self.refused(index),
            Event::Done(began) => self.done(index, began),
            Event::CensusTaken => self.census_taken(index),
            Event::Closed => self.closed(index),
            Event::Timer(at) => self.timer(index, at),
            Event::Retry => self.retry(index),
        }
        if !self.pools[index].killed {
            self.serve_callers(index);
        }
    }

    /// Queues new callers, checks idle connections out to them, and opens more where the limit allows.
    fn serve_callers(&mut self, index: usize) {
        let (now, instant) = (self.now, self.instant());
        let demand = self.pools[index].demand(now);
        while self.pools[index].in_flight < demand {
            let pool = &mut self.pools[index];
            pool.in_flight += 1;
            pool.queue.push_back(now);
        }
        while self.pools[index].idle > 0 {
            let pool = &mut self.pools[index];
            let Some(began) = pool.queue.pop_front() else { break };
            pool.idle -= 1;
            pool.in_use += 1;
            self.after(REQUEST_TIME, index, Event::Done(began));
        }
        let pool = &mut self.pools[index];
        let mut connects = 0;
        while pool.queue.len() > pool.opening as usize && pool.limit.may_open(pool.live(), instant) {
            pool.opening += 1;
            connects += 1;
        }
        for _ in 0..connects {
            let delay = MS + self.rng.u64(0..MS);
            self.after(delay, index, Event::Connect);
        }
        if !self.pools[index].running && self.pools[index].queue.is_empty() {
            self.close_idle(index);
        }
        self.set_timer(index);
    }

    fn done(&mut self, index: usize, began: Time) {
        let latency = self.now - began;
        self.totals.latencies.push((latency / MS) as u32);
        self.totals.failed += u32::from(latency > CALLER_TIMEOUT + REQUEST_TIME);
        let now = self.now;
        let pool = &mut self.pools[index];
        pool.in_flight -= 1;
        pool.outcome.served += 1;
        pool.outcome.first_served.get_or_insert(now);
        let instant = self.instant();
        let pool = &mut self.pools[index];
        if let Some(share) = pool.limit.share_mut().filter(|share| share.is_census_due(instant)) {
            share.begin_census(instant);
            self.after(2 * MS, index, Event::CensusTaken);
            return;
        }
        self.return_connection(index);
    }

    fn kill(&mut self, index: usize) {
        let pool = &mut self.pools[index];
        let held = pool.held();
        (pool.killed, pool.idle, pool.in_use) = (true, 0, 0);
        // The server notices at the end of the statement.
        for _ in 0..held {
            let delay = self.rng.u64(0..REQUEST_TIME);
            self.after(delay, index, Event::Closed);
        }
    }

    fn sample(&mut self) {
        for (pool, sessions) in self.pools.iter_mut().zip(&self.sessions) {
            pool.outcome.held.push(*sessions);
        }
        for index in 0..self.pools.len() {
            self.close_expired(index);
        }
        self.after(100 * MS, 0, Event::Sample);
    }

    fn finish(mut self) -> Outcomes {
        for pool in &mut self.pools {
            let late = pool.queue.iter().filter(|began| self.span - **began > CALLER_TIMEOUT).count();
            self.totals.failed += if pool.killed { 0 } else { late as u32 };
            self.totals.processes.push(std::mem::take(&mut pool.outcome));
        }
        self.totals.latencies.sort_unstable();
        self.totals
    }
}
