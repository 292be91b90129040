//! The coordination of all pools of the process that lead to the same server: how many connections they open at once, and
//! which thread probes during an outage. [`SlowStart`] and [`Breaker`] decide; this module carries their decisions out.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crate::config::settings::ServerSettings;
use crate::error::{Error, ErrorKind, Phase, human};
use crate::pool::core::Core;
use crate::resilience::breaker::{Breaker, Failed, Verdict};
use crate::resilience::slow_start::SlowStart;
use crate::sys::process_local::ProcessLocal;
use crate::sys::single_flight::SingleFlight;
use crate::sys::sync::Mutex;

pub(in crate::pool) struct Coordinator {
    /// An outage is under way. Read before the lock is taken.
    out: AtomicBool,
    /// A probe is under way.
    pub(in crate::pool) probing: SingleFlight,
    known: Mutex<ServerState>,
}

#[derive(Default)]
struct ServerState {
    breaker: Breaker,
    ramp: SlowStart,
    last_failure: Option<Arc<Error>>,
    pools: Vec<Weak<Core>>,
}

impl ServerState {
    fn pools(&mut self) -> Vec<Arc<Core>> {
        self.pools.retain(|pool| pool.strong_count() > 0);
        self.pools.iter().filter_map(Weak::upgrade).collect()
    }
}

/// The coordinators of this process. Only pools with the same server settings share one: behind a pooler one database may be
/// away and another not, and a pool whose TLS settings are wrong must not keep others from what they can reach.
static COORDINATORS: ProcessLocal<Mutex<Vec<Known>>> = ProcessLocal::new(Mutex::default);

type Known = (ServerSettings, Weak<Coordinator>);

impl Coordinator {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            out: AtomicBool::new(false),
            probing: SingleFlight::default(),
            known: Mutex::new(ServerState::default()),
        })
    }

    /// Returns the coordinator of a server's pools. `None`: a new one, for a single pool.
    pub(in crate::pool) fn of(server: Option<ServerSettings>) -> Arc<Self> {
        let Some(server) = server else { return Self::new() };
        let mut coordinators = COORDINATORS.get().lock();
        coordinators.retain(|(_, coordinator)| coordinator.strong_count() > 0);
        let found = coordinators.iter().find(|(name, _)| *name == server);
        if let Some(coordinator) = found.and_then(|(_, coordinator)| coordinator.upgrade()) {
            return coordinator;
        }
        let coordinator = Self::new();
        coordinators.push((server, Arc::downgrade(&coordinator)));
        coordinator
    }

    pub(in crate::pool) fn admit(&self, pool: &Arc<Core>) {
        self.known.lock().pools.push(Arc::downgrade(pool));
        self.apply_ramp();
    }

    /// Returns the pools that still exist.
    pub(in crate::pool) fn pools(&self) -> Vec<Arc<Core>> {
        self.known.lock().pools()
    }

    fn apply_ramp(&self) {
        let mut known = self.known.lock();
        let pools = known.pools();
        let at_once = known.ramp.for_each_of(pools.len());
        drop(known);
        for pool in pools {
            pool.admission.allow_at_once(at_once);
        }
    }

    /// Ends an outage: the server accepted a connection, or at least answered.
    pub(in crate::pool) fn reached(&self, opened: bool) {
        let mut known = self.known.lock();
        let outage = known.breaker.reached(Instant::now());
        let before = known.ramp.for_each_of(1);
        if opened {
            known.ramp.succeeded();
        }
        let rose = known.ramp.for_each_of(1) != before;
        known.last_failure = None;
        self.out.store(false, Ordering::Release);
        drop(known);
        if rose {
            self.apply_ramp();
        }
        if let Some(length) = outage {
            self.outage_ends(length);
        }
    }

    fn outage_ends(&self, length: Duration) {
        for pool in self.pools() {
            pool.log.info(
                &[("outage_ms", (length.as_millis() as u64).into())],
                format_args!("the server can be reached again, after {}", human(length)),
            );
            pool.note_circuit();
            pool.admission.end_backoff();
            pool.refill();
        }
    }

    /// Slows openings down after a lost connection. The server may be away, and one opening will show it.
    pub(in crate::pool) fn connection_lost(&self) {
        let mut known = self.known.lock();
        let before = known.ramp.for_each_of(1);
        known.ramp.failed();
        let fell = known.ramp.for_each_of(1) != before;
        drop(known);
        if fell {
            self.apply_ramp();
        }
    }

    /// Notes an opening that failed for a passing reason.
    pub(in crate::pool) fn failed(self: &Arc<Self>, pool: &Core, error: &Error, took: Duration) {
        let for_role = error.phase() == Some(Phase::Role) && error.kind() == ErrorKind::Unreachable;
        let failed = Failed { kind: error.kind(), for_role, took };
        let mut known = self.known.lock();
        let verdict = known.breaker.failed(failed, Instant::now(), fastrand::f64());
        if verdict == Verdict::NoOutage {
            return;
        }
        known.ramp.failed();
        known.last_failure = Some(Arc::new(error.again()));
        self.out.store(true, Ordering::Release);
        drop(known);
        if let Verdict::Begins { first_probe } = verdict {
            // First of all: an outage is ended by a probe.
            self.probe_at(first_probe, &pool.workers);
            pool.log.info(
                &[("kind", error.kind().name().into())],
                format_args!(
                    "the server is out of reach, and is probed until it is back: {}",
                    error.summary()
                ),
            );
            for pool in self.pools() {
                pool.note_circuit();
            }
            self.apply_ramp();
        }
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
