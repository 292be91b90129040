//! Fleets of pools as events in simulated time. What a pool may have, gives back and waits for is decided by the library's own
//! code ([`EffectiveLimit`]); what is simulated is the rest: callers, connections, the server.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::{Duration, Instant};

use crate::error::LimitedBy;
use crate::resilience::effective_limit::EffectiveLimit;
use crate::resilience::fleet::census::{Census, Id, Peer};
use crate::resilience::learned_limit::{Moved, TryIntervals};

/// In nanoseconds from the start.
type Time = u64;

pub(crate) const MS: Time = 1_000_000;
pub(crate) const SECOND: Time = 1_000 * MS;

/// How long a request works with its connection.
const WORK: Time = 20 * MS;
/// A caller waits no longer than this.
const PATIENCE: Time = 8 * SECOND;
/// What is idle for so long is closed: a quarter of the usual, since slots are few.
const IDLE_TIMEOUT: Time = 3750 * MS;
const LEARNED: TryIntervals =
    TryIntervals { first: Duration::from_millis(250), longest: Duration::from_secs(5) };

/// One process with one pool.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Process {
    pub(crate) starts: Time,
    /// It ends at once, in the middle of its work.
    pub(crate) killed: Option<Time>,
    /// It finishes what it has begun, and takes on nothing more.
    pub(crate) stops: Option<Time>,
    pub(crate) max_size: u32,
    /// Requests kept in flight.
    pub(crate) in_flight: usize,
    /// Between this time and that, only so many are.
    pub(crate) quiet: Option<(Time, Time, usize)>,
}

impl Process {
    pub(crate) fn usual(starts: Time) -> Self {
        Self { starts, killed: None, stops: None, max_size: 8, in_flight: 16, quiet: None }
    }
}

/// What is tried.
#[derive(Debug, Clone)]
pub(crate) struct Scene {
    pub(crate) slots: u32,
    /// Sessions of programs that know nothing of the fleet.
    pub(crate) others: u32,
    pub(crate) span: Time,
    pub(crate) processes: Vec<Process>,
    /// `false`: learned limits alone.
    pub(crate) share: bool,
    pub(crate) seed: u64,
}

impl Scene {
    /// `count` processes that start within the first half second.
    pub(crate) fn of(count: usize, slots: u32, span: Time) -> Self {
        let mut rng = fastrand::Rng::with_seed(count as u64);
        let processes = (0..count).map(|_| Process::usual(rng.u64(0..500 * MS))).collect();
        Self { slots, others: 0, span, processes, share: true, seed: 7 }
    }
}

/// What became of one process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outcome {
    pub(crate) served: u32,
    pub(crate) first_served: Option<Time>,
    /// Connections held, at every tenth of a second.
    pub(crate) held: Vec<u32>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Outcomes {
    pub(crate) processes: Vec<Outcome>,
    pub(crate) failed: u32,
    /// In milliseconds, sorted.
    pub(crate) latencies: Vec<u32>,
    pub(crate) refused: u32,
    /// Those after the first two seconds.
    pub(crate) refused_later: u32,
    pub(crate) looks: u32,
    pub(crate) opens: u32,
}

impl Outcomes {
    pub(crate) fn served(&self) -> u32 {
        self.processes.iter().map(|process| process.served).sum()
    }

    /// In milliseconds.
    pub(crate) fn percentile(&self, percent: usize) -> u32 {
        let index = self.latencies.len() * percent / 100;
        self.latencies.get(index.min(self.latencies.len().saturating_sub(1))).copied().unwrap_or(0)
    }

    /// What the worst of some processes got, as a share of what the median one got.
    pub(crate) fn fairness(&self) -> f64 {
        let mut served: Vec<u32> = self.processes.iter().map(|process| process.served).collect();
        served.sort_unstable();
        let median = served.get(served.len() / 2).copied().unwrap_or(0);
        f64::from(served.first().copied().unwrap_or(0)) / f64::from(median.max(1))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Start,
    /// A connect reaches the server.
    Knock,
    Opened,
    Refused,
    /// A request is done; it had begun then.
    Done(Time),
    Looked,
    /// A closed connection is gone.
    Gone,
    /// A timer of the pool.
    Timer(Time),
    Retry,
    Kill,
    Stop,
    Demand,
    Sample,
}

struct Pool {
    id: Id,
    process: Process,
    cap: EffectiveLimit,
    running: bool,
    killed: bool,
    idle: u32,
    /// Since then so many have been idle all the time.
    idle_since: (Time, u32),
    in_use: u32,
    opening: u32,
    departing: u32,
    queue: VecDeque<Time>,
    in_flight: usize,
    timer: Option<Time>,
    retries: bool,
    outcome: Outcome,
}

impl Pool {
    fn live(&self) -> u32 {
        self.idle + self.in_use + self.opening + self.departing
    }

    fn held(&self) -> u32 {
        self.idle + self.in_use
    }

    fn demand(&self, now: Time) -> usize {
        match self.process.quiet {
            _ if !self.running => 0,
            Some((from, to, few)) if (from..to).contains(&now) => few,
            _ => self.process.in_flight,
        }
    }
}

struct World {
    began: Instant,
    now: Time,
    events: BinaryHeap<Reverse<(Time, u64, usize, Event)>>,
    count: u64,
    rng: fastrand::Rng,
    slots: u32,
    others: u32,
    /// Slots taken, by sessions that are still starting too.
    taken: u32,
    /// Sessions that can be seen, of each process.
    sessions: Vec<u32>,
    pools: Vec<Pool>,
    totals: Outcomes,
    span: Time,
}

/// Plays a scene to its end.
pub(crate) fn play(scene: &Scene) -> Outcomes {
    let mut world = World::of(scene);
    while let Some(Reverse((at, _, index, event))) = world.events.pop() {
        if at > scene.span {
            break;
        }
        world.now = at;
        world.happen(index, event);
    }
    world.end()
}

impl World {
    fn of(scene: &Scene) -> Self {
        let mut rng = fastrand::Rng::with_seed(scene.seed);
        let pool = |process: &Process| {
            let id = Id(rng.u32(..));
            Pool {
                id,
                process: *process,
                cap: EffectiveLimit::new(process.max_size, LEARNED, scene.share.then_some(id)),
                running: false,
                killed: false,
                idle: 0,
                idle_since: (0, 0),
                in_use: 0,
                opening: 0,
                departing: 0,
                queue: VecDeque::new(),
                in_flight: 0,
                timer: None,
                retries: false,
                outcome: Outcome::default(),
            }
        };
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

    fn at(&mut self, time: Time, index: usize, event: Event) {
        self.count += 1;
        if time <= self.span {
            self.events.push(Reverse((time, self.count, index, event)));
        }
    }

    fn after(&mut self, delay: Time, index: usize, event: Event) {
        self.at(self.now + delay, index, event);
    }

    fn instant(&self) -> Instant {
        self.began + Duration::from_nanos(self.now)
    }

    fn time(&self, instant: Instant) -> Time {
        instant.saturating_duration_since(self.began).as_nanos() as Time
    }

    fn happen(&mut self, index: usize, event: Event) {
        if self.pools[index].killed && !matches!(event, Event::Sample | Event::Gone) {
            // What was under way at the server is gone with it.
            self.taken -= u32::from(event == Event::Opened);
            return;
        }
        match event {
            Event::Start => self.pools[index].running = true,
            Event::Stop => self.pools[index].running = false,
            Event::Demand => {}
            Event::Kill => return self.kill(index),
            Event::Sample => return self.sample(),
            Event::Knock => return self.knock(index),
            Event::Opened => self.opened(index),
            Event::Refused => self.refused(index),
            Event::Done(began) => self.done(index, began),
            Event::Looked => self.looked(index),
            Event::Gone => self.gone(index),
            Event::Timer(at) => self.timer(index, at),
            Event::Retry => self.retry(index),
        }
        if !self.pools[index].killed {
            self.go_on(index);
        }
    }

    /// Callers come, connections are lent, others are opened, as far as there is reason to.
    fn go_on(&mut self, index: usize) {
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
            self.after(WORK, index, Event::Done(began));
        }
        let pool = &mut self.pools[index];
        let mut knocks = 0;
        while pool.queue.len() > pool.opening as usize && pool.cap.may_open(pool.live(), instant) {
            pool.opening += 1;
            knocks += 1;
        }
        for _ in 0..knocks {
            let delay = MS + self.rng.u64(0..MS);
            self.after(delay, index, Event::Knock);
        }
        if !self.pools[index].running && self.pools[index].queue.is_empty() {
            self.close_idle(index);
        }
        self.set_timer(index);
    }

    fn close_idle(&mut self, index: usize) {
        while self.pools[index].idle > 0 {
            self.pools[index].idle -= 1;
            self.give(index);
        }
    }

    fn knock(&mut self, index: usize) {
        if self.taken < self.slots {
            self.taken += 1;
            let delay = 3 * MS + self.rng.u64(0..2 * MS);
            self.after(delay, index, Event::Opened);
        } else {
            self.totals.refused += 1;
            self.totals.refused_later += u32::from(self.now > 2 * SECOND);
            // Without a share, a pool that holds nothing goes by `retry_base_delay`.
            let alone = self.pools[index].cap.share().is_none() && self.pools[index].held() == 0;
            self.after(if alone { SECOND } else { MS }, index, Event::Refused);
        }
    }

    fn opened(&mut self, index: usize) {
        let (instant, chance) = (self.instant(), self.rng.f64());
        self.sessions[index] += 1;
        self.totals.opens += 1;
        let pool = &mut self.pools[index];
        pool.opening -= 1;
        pool.idle += 1;
        let held = pool.held();
        pool.cap.opened(held, instant, chance);
    }

    fn refused(&mut self, index: usize) {
        let (instant, chance) = (self.instant(), self.rng.f64());
        let pool = &mut self.pools[index];
        pool.opening -= 1;
        let held = pool.held();
        pool.cap.refused(LimitedBy::Server, held, instant, chance);
        self.set_retry(index);
    }

    fn set_retry(&mut self, index: usize) {
        let Some(next) = self.pools[index].cap.next_try() else { return };
        if !std::mem::replace(&mut self.pools[index].retries, true) {
            let at = self.time(next).max(self.now + 1);
            self.at(at, index, Event::Retry);
        }
    }

    fn retry(&mut self, index: usize) {
        let (instant, chance) = (self.instant(), self.rng.f64());
        let pool = &mut self.pools[index];
        pool.retries = false;
        if pool.idle == 0 && !pool.queue.is_empty() {
            let _: Option<Moved> = pool.cap.raise(instant, chance);
        }
        if pool.cap.next_try().is_some() {
            pool.retries = true;
            let at = pool.cap.next_try().map_or(0, |next| self.time(next)).max(self.now + 100 * MS);
            self.at(at, index, Event::Retry);
        }
    }

    fn done(&mut self, index: usize, began: Time) {
        let latency = self.now - began;
        self.totals.latencies.push((latency / MS) as u32);
        self.totals.failed += u32::from(latency > PATIENCE + WORK);
        let now = self.now;
        let pool = &mut self.pools[index];
        pool.in_flight -= 1;
        pool.outcome.served += 1;
        pool.outcome.first_served.get_or_insert(now);
        let instant = self.instant();
        let pool = &mut self.pools[index];
        if let Some(share) = pool.cap.share_mut().filter(|share| share.is_census_due(instant)) {
            share.begin_census(instant);
            self.after(2 * MS, index, Event::Looked);
            return;
        }
        self.come_back(index);
    }

    /// A connection is free again.
    fn come_back(&mut self, index: usize) {
        let instant = self.instant();
        let pool = &mut self.pools[index];
        pool.in_use -= 1;
        if pool.departing == 0 && pool.cap.must_give_back(pool.held() + 1, instant) {
            self.give(index);
        } else {
            pool.idle += 1;
        }
    }

    fn give(&mut self, index: usize) {
        let (instant, chance) = (self.instant(), self.rng.f64());
        let pool = &mut self.pools[index];
        pool.departing += 1;
        let held = pool.held();
        if let Some(share) = pool.cap.share_mut() {
            share.gave_back(held, instant, chance);
        }
        self.after(2 * MS, index, Event::Gone);
    }

    fn gone(&mut self, index: usize) {
        self.taken -= 1;
        self.sessions[index] -= 1;
        let pool = &mut self.pools[index];
        pool.departing = pool.departing.saturating_sub(1);
    }

    fn looked(&mut self, index: usize) {
        self.totals.looks += 1;
        let (instant, chance) = (self.instant(), self.rng.f64());
        let seen = |(pool, held): (&Pool, &u32)| (*held > 0).then_some(Peer { id: pool.id, held: *held });
        let census = Census {
            slots: self.slots,
            others: self.others,
            peers: self.pools.iter().zip(&self.sessions).filter_map(seen).collect(),
            clock: Duration::from_nanos(self.now),
        };
        let pool = &mut self.pools[index];
        let held = pool.held();
        pool.cap.census_taken(&census, held, instant, chance);
        self.come_back(index);
    }

    fn set_timer(&mut self, index: usize) {
        let instant = self.instant();
        let pool = &self.pools[index];
        let Some(next) = pool.cap.share().and_then(|share| share.next_event(pool.held(), instant)) else {
            return;
        };
        let at = self.time(next);
        if pool.timer.is_none_or(|set| set <= self.now || at < set) {
            self.pools[index].timer = Some(at);
            self.at(at, index, Event::Timer(at));
        }
    }

    /// As the pool's own timer: what is idle is given up if it has to be.
    fn timer(&mut self, index: usize, at: Time) {
        if self.pools[index].timer == Some(at) {
            self.pools[index].timer = None;
        }
        let instant = self.instant();
        let pool = &mut self.pools[index];
        if pool.idle > 0 && pool.departing == 0 && pool.cap.must_give_back(pool.held(), instant) {
            pool.idle -= 1;
            self.give(index);
        }
    }

    fn kill(&mut self, index: usize) {
        let pool = &mut self.pools[index];
        let held = pool.held();
        (pool.killed, pool.idle, pool.in_use) = (true, 0, 0);
        // The server notices at the end of the statement.
        for _ in 0..held {
            let delay = self.rng.u64(0..WORK);
            self.after(delay, index, Event::Gone);
        }
    }

    fn sample(&mut self) {
        for (pool, sessions) in self.pools.iter_mut().zip(&self.sessions) {
            pool.outcome.held.push(*sessions);
        }
        for index in 0..self.pools.len() {
            self.close_what_is_idle_for_long(index);
        }
        self.after(100 * MS, 0, Event::Sample);
    }

    fn close_what_is_idle_for_long(&mut self, index: usize) {
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
            self.give(index);
        }
    }

    fn end(mut self) -> Outcomes {
        for pool in &mut self.pools {
            let late = pool.queue.iter().filter(|began| self.span - **began > PATIENCE).count();
            self.totals.failed += if pool.killed { 0 } else { late as u32 };
            self.totals.processes.push(std::mem::take(&mut pool.outcome));
        }
        self.totals.latencies.sort_unstable();
        self.totals
    }
}
