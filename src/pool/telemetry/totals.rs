//! The measurements of a pool, added up over its connections, closed ones included.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Phase};
use crate::observe::checkout::CheckoutTotals;
use crate::observe::histogram::Distribution;
use crate::observe::traffic::TrafficTotals;
use crate::sys::clock::Tick;
use crate::sys::sync::Mutex;

/// The measurements that belong to no connection. None of them is on the path of a checkout.
#[derive(Debug)]
pub(in crate::pool) struct Metrics {
    pub(in crate::pool) born: Instant,
    openings: Mutex<Openings>,
    leaks: AtomicU64,
    validations: AtomicU64,
    /// The last answer of the server to the pool itself, as a [`Tick`]; 0 for never.
    heard_at: AtomicU64,
    /// The duration of the last validation, in nanoseconds; 0 for none yet.
    last_probe_ns: AtomicU64,
}

#[derive(Debug, Default)]
struct Openings {
    took: Distribution,
    failed: BTreeMap<(&'static str, &'static str), u64>,
    timed_out: u64,
}

impl Metrics {
    pub(in crate::pool) fn new() -> Self {
        Self {
            born: Instant::now(),
            openings: Mutex::default(),
            leaks: AtomicU64::new(0),
            validations: AtomicU64::new(0),
            heard_at: AtomicU64::new(0),
            last_probe_ns: AtomicU64::new(0),
        }
    }

    pub(in crate::pool) fn opened(&self, took: Duration) {
        self.openings.lock().took.record(took);
        self.heard();
    }

    pub(in crate::pool) fn open_failed(&self, error: &Error) {
        let phase = error.phase().map_or("unknown", Phase::name);
        let mut openings = self.openings.lock();
        *openings.failed.entry((error.kind().name(), phase)).or_default() += 1;
        openings.timed_out += u64::from(error.kind() == ErrorKind::ConnectTimeout);
    }

    /// Records a successful validation.
    pub(in crate::pool) fn validated(&self, took: Duration) {
        self.last_probe_ns.store(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).max(1), Relaxed);
        self.validations.fetch_add(1, Relaxed);
        self.heard();
    }

    /// Returns the number of successful validations.
    pub(in crate::pool) fn validations(&self) -> u64 {
        self.validations.load(Relaxed)
    }

    pub(in crate::pool) fn leak_suspected(&self) {
        self.leaks.fetch_add(1, Relaxed);
    }

    fn heard(&self) {
        self.heard_at.fetch_max(Tick::exact().to_word(), Relaxed);
    }

    pub(in crate::pool) fn last_probe(&self) -> Option<Duration> {
        let nanos = self.last_probe_ns.load(Relaxed);
        (nanos != 0).then(|| Duration::from_nanos(nanos))
    }

    pub(in crate::pool) fn last_heard(&self) -> Option<Tick> {
        let word = self.heard_at.load(Relaxed);
        (word != 0).then(|| Tick::from_word(word))
    }

    /// Returns all totals, given those of the connections.
    pub(in crate::pool) fn figures(&self, traffic: TrafficTotals, checkouts: CheckoutTotals) -> Figures {
        let openings = self.openings.lock();
        Figures {
            traffic,
            checkouts,
            created: openings.took.clone(),
            connect_errors: openings.failed.clone(),
            connect_timeouts: openings.timed_out,
            leaks_suspected: self.leaks.load(Relaxed),
        }
    }
}

/// The totals since the pool was made.
#[derive(Debug, Clone, Default)]
pub(crate) struct Figures {
    pub(crate) traffic: TrafficTotals,
    pub(crate) checkouts: CheckoutTotals,
    /// The durations of successful openings.
    pub(crate) created: Distribution,
    /// Failed openings, by kind and phase.
    pub(crate) connect_errors: BTreeMap<(&'static str, &'static str), u64>,
    /// Failed openings that ran out of time.
    pub(crate) connect_timeouts: u64,
    pub(crate) leaks_suspected: u64,
}
