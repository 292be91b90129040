//! The coordination of all pools of the process that lead to the same server: how many connections they open at once, and
//! whether an outage is under way. [`SlowStart`] and [`Breaker`] decide.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crate::connect::Reachability;
use crate::error::{Error, ErrorKind, Phase, human};
use crate::resilience::breaker::{Breaker, Failed, Verdict};
use crate::resilience::slow_start::SlowStart;
use crate::sys::single_flight::SingleFlight;
use crate::sys::sync::Mutex;

/// The coordinator of pools of type `P`.
pub(in crate::pool) struct Coordinator<P> {
    /// An outage is under way. Read before the lock is taken.
    out: AtomicBool,
    /// A probe is under way.
    pub(in crate::pool) probing: SingleFlight,
    known: Mutex<ServerState<P>>,
}

struct ServerState<P> {
    breaker: Breaker,
    ramp: SlowStart,
    last_failure: Option<Arc<Error>>,
    pools: Vec<Weak<P>>,
}

/// The changes when a server was reached.
pub(in crate::pool) struct Reached {
    /// More connections may be opened at once.
    pub(in crate::pool) ramp_rose: bool,
    /// An outage of this length has ended.
    pub(in crate::pool) outage: Option<Duration>,
}

impl<P> ServerState<P> {
    fn pools(&mut self) -> Vec<Arc<P>> {
        self.pools.retain(|pool| pool.strong_count() > 0);
        self.pools.iter().filter_map(Weak::upgrade).collect()
    }

    /// Changes the ramp. Returns whether that changes the openings allowed at once.
    fn move_ramp(&mut self, change: impl FnOnce(&mut SlowStart)) -> bool {
        let before = self.ramp.for_each_of(1);
        change(&mut self.ramp);
        self.ramp.for_each_of(1) != before
    }
}

/// The coordinators of this process. Only pools with the same server settings share one: behind a pooler one database may be
/// away and another not, and a pool whose TLS settings are wrong must not keep others from what they can reach.
pub(in crate::pool) struct Coordinators<P>(Mutex<Vec<(Reachability, Weak<Coordinator<P>>)>>);

impl<P> Default for Coordinators<P> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<P> Coordinators<P> {
    /// Returns the coordinator of a server's pools. `None`: a new one, for a single pool.
    pub(in crate::pool) fn of(&self, server: Option<Reachability>) -> Arc<Coordinator<P>> {
        let Some(server) = server else { return Coordinator::new() };
        let mut coordinators = self.0.lock();
        coordinators.retain(|(_, coordinator)| coordinator.strong_count() > 0);
        let found = coordinators.iter().find(|(name, _)| *name == server);
        if let Some(coordinator) = found.and_then(|(_, coordinator)| coordinator.upgrade()) {
            return coordinator;
        }
        let coordinator = Coordinator::new();
        coordinators.push((server, Arc::downgrade(&coordinator)));
        coordinator
    }
}

impl<P> Coordinator<P> {
    fn new() -> Arc<Self> {
        let known = ServerState {
            breaker: Breaker::default(),
            ramp: SlowStart::default(),
            last_failure: None,
            pools: Vec::new(),
        };
        Arc::new(Self {
            out: AtomicBool::new(false),
            probing: SingleFlight::default(),
            known: Mutex::new(known),
        })
    }

    pub(in crate::pool) fn admit(&self, pool: &Arc<P>) {
        self.known.lock().pools.push(Arc::downgrade(pool));
    }

    /// Returns the pools that still exist.
    pub(in crate::pool) fn pools(&self) -> Vec<Arc<P>> {
        self.known.lock().pools()
    }

    /// Returns the pools, and how many connections each may open at once.
    pub(in crate::pool) fn openings_at_once(&self) -> (Vec<Arc<P>>, u32) {
        let mut known = self.known.lock();
        let pools = known.pools();
        let at_once = known.ramp.for_each_of(pools.len());
        (pools, at_once)
    }

    /// Ends an outage: the server accepted a connection, or at least answered.
    pub(in crate::pool) fn reached(&self, opened: bool) -> Reached {
        let mut known = self.known.lock();
        let outage = known.breaker.reached(Instant::now());
        let ramp_rose = known.move_ramp(|ramp| {
            if opened {
                ramp.succeeded();
            }
        });
        known.last_failure = None;
        self.out.store(false, Ordering::Release);
        Reached { ramp_rose, outage }
    }

    /// Slows openings down after a lost connection. The server may be away, and one opening will show it. Returns whether
    /// fewer may be opened at once.
    pub(in crate::pool) fn connection_lost(&self) -> bool {
        self.known.lock().move_ramp(SlowStart::failed)
    }

    /// Notes an opening that failed for a passing reason.
    pub(in crate::pool) fn failed(&self, error: &Error, took: Duration) -> Verdict {
        let for_role = error.phase() == Some(Phase::Role) && error.kind() == ErrorKind::Unreachable;
        let failed = Failed { kind: error.kind(), for_role, took };
        let mut known = self.known.lock();
        let verdict = known.breaker.failed(failed, Instant::now(), fastrand::f64());
        if verdict != Verdict::NoOutage {
            known.ramp.failed();
            known.last_failure = Some(Arc::new(error.again()));
            self.out.store(true, Ordering::Release);
        }
        verdict
    }

    /// Returns the failure that an attempt would meet, if an outage is under way and a probe met it a moment ago.
    pub(in crate::pool) fn known_failure(&self) -> Option<Error> {
        if !self.is_out() {
            return None;
        }
        let now = Instant::now();
        let mut known = self.known.lock();
        known.breaker.wanted(now);
        let age = known.breaker.last_failed(now)?;
        let failure = known.last_failure.clone()?;
        drop(known);
        Some(failure.again().with_note(format!("found out {} ago, and probed since", human(age))))
    }

    pub(in crate::pool) fn is_out(&self) -> bool {
        self.out.load(Ordering::Acquire)
    }

    /// Returns the error of callers that need a connection, if an outage has lasted for longer than `after`.
    pub(in crate::pool) fn open_circuit(&self, after: Duration) -> Option<Error> {
        if !self.is_out() {
            return None;
        }
        let now = Instant::now();
        let mut known = self.known.lock();
        known.breaker.wanted(now);
        let lasts = known.breaker.lasts(now).filter(|lasts| *lasts >= after)?;
        let age = known.breaker.last_failed(now)?;
        let next = known.breaker.step().saturating_sub(age);
        let failure = known.last_failure.clone()?;
        drop(known);
        let message = format!("the server has been out of reach for {}: {}", human(lasts), failure.summary());
        let note = format!("last tried {} ago, next in about {}", human(age), human(next));
        Some(Error::new(ErrorKind::CircuitOpen, message).with_note(note).in_phase(Phase::Queue))
    }

    /// Returns how long the server has been out of reach, if it is.
    pub(in crate::pool) fn outage(&self) -> Option<Duration> {
        if !self.is_out() {
            return None;
        }
        self.known.lock().breaker.lasts(Instant::now())
    }

    /// Returns the time limit of the probe that is due, and when the next is due; `None` when no caller needs one any more.
    pub(in crate::pool) fn next_probe(&self, waited_for: bool) -> Option<(Duration, Instant)> {
        let mut known = self.known.lock();
        let next = known.breaker.probe(Instant::now(), waited_for);
        if next.is_none() {
            known.last_failure = None;
            self.out.store(false, Ordering::Release);
        }
        next
    }

    pub(in crate::pool) fn probe_was_too_short(&self, longest: Duration) {
        self.known.lock().breaker.was_too_short(longest);
    }
}
