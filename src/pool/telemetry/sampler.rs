//! The sampler's state: the last sample, the alerts that are raised, the history of ten minutes.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use super::stats::{Circuit, Stats};
use super::totals::Figures;
use crate::observe::alerts::{Alert, AlertSample, Alerts, Change};
use crate::observe::history::{History, Quantiles, Sample};
use crate::sys::single_flight::{Flight, SingleFlight};
use crate::sys::sync::Mutex;

pub(in crate::pool) const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(in crate::pool) struct Sampler {
    /// A timer is set for the next sample.
    active: SingleFlight,
    /// The circuit as last emitted, by its place in [`Circuit::ALL`].
    circuit: AtomicU8,
    seen: Mutex<Samples>,
}

#[derive(Debug, Default)]
struct Samples {
    alerts: Alerts,
    history: History,
    last: Option<PreviousSample>,
}

/// The previous sample.
#[derive(Debug)]
struct PreviousSample {
    at: Instant,
    stats: Stats,
    figures: Figures,
}

impl Sampler {
    pub(in crate::pool) fn new() -> Self {
        Self { active: SingleFlight::default(), circuit: AtomicU8::new(0), seen: Mutex::default() }
    }

    /// Returns whether the pool is sampled. Read at every checkout.
    #[inline]
    pub(in crate::pool) fn is_active(&self) -> bool {
        self.active.is_under_way()
    }

    pub(in crate::pool) fn alerts(&self) -> Vec<Alert> {
        self.seen.lock().alerts.raised(Instant::now())
    }

    pub(in crate::pool) fn history(&self) -> Vec<Sample> {
        self.seen.lock().history.samples()
    }

    /// Begins to sample; `None` when the pool is sampled already.
    pub(in crate::pool) fn begin(&self) -> Option<Flight> {
        self.active.begin()
    }

    /// Notes the present circuit. Returns the one last noted, if that is another.
    pub(in crate::pool) fn circuit_moves(&self, circuit: Circuit) -> Option<Circuit> {
        let place = Circuit::ALL.iter().position(|other| *other == circuit).unwrap_or_default() as u8;
        let before = self.circuit.swap(place, Ordering::AcqRel);
        (before != place).then(|| Circuit::ALL[usize::from(before)])
    }

    /// Records a sample. Returns the changes of alerts, and whether the pool has become inactive.
    pub(in crate::pool) fn record(
        &self,
        stats: Stats,
        figures: Figures,
        sample: AlertSample,
    ) -> (Vec<Change>, bool) {
        let now = Instant::now();
        let mut seen = self.seen.lock();
        let changes = seen.alerts.judge(now, sample);
        let is_used =
            |last: &PreviousSample| last.stats.gets != stats.gets || last.stats.total != stats.total;
        let goes_on = stats.in_use + stats.opening + stats.waiting > 0
            || stats.circuit != Circuit::Closed
            || !seen.alerts.raised(now).is_empty()
            || seen.last.as_ref().is_none_or(is_used);
        let history_sample = history_sample(now, &stats, &figures, seen.last.as_ref());
        seen.history.add(history_sample);
        let before = seen.last.replace(PreviousSample { at: now, stats, figures });
        drop(seen);
        drop(before);
        (changes, !goes_on)
    }
}

fn history_sample(now: Instant, stats: &Stats, figures: &Figures, before: Option<&PreviousSample>) -> Sample {
    let errors = |stats: &Stats, figures: &Figures| {
        stats.errors().iter().map(|(_, n)| n).sum::<u64>() + figures.traffic.errors()
    };
    let since = |counter: &dyn Fn(&Stats, &Figures) -> u64| {
        let earlier = before.map_or(0, |look| counter(&look.stats, &look.figures));
        counter(stats, figures).saturating_sub(earlier)
    };
    let (waited, used) = match before {
        Some(look) => (
            figures.checkouts.waited.since(&look.figures.checkouts.waited),
            figures.checkouts.used.since(&look.figures.checkouts.used),
        ),
        None => (figures.checkouts.waited.clone(), figures.checkouts.used.clone()),
    };
    Sample {
        at: now,
        over: before.map_or(SAMPLE_INTERVAL, |look| now.saturating_duration_since(look.at)),
        idle: stats.idle,
        in_use: stats.in_use,
        opening: stats.opening,
        waiting: stats.waiting,
        limit: stats.limit,
        circuit: stats.circuit.name(),
        gets: since(&|stats, _| stats.gets),
        errors: since(&errors),
        timeouts: since(&|stats, _| stats.timeouts + stats.shed),
        retries: since(&|stats, _| stats.retries),
        waited: Quantiles::of(&waited),
        used: Quantiles::of(&used),
    }
}
