//! The sampler: once a second, while the pool is active, it evaluates alerts, finds forgotten checkouts and records history.
//! An inactive pool is not sampled.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::error::{human, sqlstate};
use crate::observe::alerts::{Alert, AlertSample, Alerts, Change, Severity};
use crate::observe::event::EventKind;
use crate::observe::history::{History, Quantiles, Sample};
use crate::pool::core::Core;
use crate::pool::lifecycle::failpoint::failpoint;
use crate::pool::telemetry::stats::{Circuit, Stats};
use crate::pool::telemetry::totals::Figures;
use crate::sys::single_flight::{Flight, SingleFlight};

const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);

/// The state of the sampler.
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
}

impl Core {
    /// Starts sampling, since the pool is active.
    #[cold]
    pub(in crate::pool) fn start_sampling(self: &Arc<Self>) {
        if let Some(flight) = self.sampler.active.begin() {
            self.sample_later(flight);
        }
    }

    fn sample_later(self: &Arc<Self>, flight: Flight) {
        self.later(SAMPLE_INTERVAL, |core| core.take_sample(flight));
    }

    /// Takes one sample. Runs on the timer thread.
    fn take_sample(self: &Arc<Self>, flight: Flight) {
        failpoint!(self, "watched");
        self.note_circuit();
        self.check_for_leaks();
        let (changes, quiet) = self.record_sample();
        for change in changes {
            self.emit_alert(&change);
        }
        if !quiet {
            return self.sample_later(flight);
        }
        drop(flight);
        // Callers that came before this moment found it active.
        let (gauges, _) = self.admission.snapshot();
        if gauges.in_use + gauges.opening + gauges.waiting > 0 {
            self.start_sampling();
        }
    }

    /// Records a sample. Returns the changes of alerts, and whether the pool has become inactive.
    fn record_sample(&self) -> (Vec<Change>, bool) {
        let (now, stats, figures) = (Instant::now(), self.stats(), self.figures());
        let sample = self.sample(&stats, &figures);
        let mut seen = self.sampler.seen.lock();
        let changes = seen.alerts.judge(now, sample);
        let goes_on = stats.in_use + stats.opening + stats.waiting > 0
            || stats.circuit != Circuit::Closed
            || !seen.alerts.raised(now).is_empty()
            || seen
                .last
                .as_ref()
                .is_none_or(|last| last.stats.gets != stats.gets || last.stats.total != stats.total);
        let history_sample = history_sample(now, &stats, &figures, seen.last.as_ref());
        seen.history.add(history_sample);
        let before = seen.last.replace(PreviousSample { at: now, stats, figures });
        drop(seen);
        drop(before);
        (changes, !goes_on)
    }

    fn sample(&self, stats: &Stats, figures: &Figures) -> AlertSample {
        let circuit_open = matches!(stats.circuit, Circuit::Open | Circuit::Refused);
        AlertSample {
            in_use: stats.in_use,
            limit: stats.limit,
            waiting: stats.waiting,
            oldest_waiter: self.admission.oldest_waiter().unwrap_or_default(),
            retries: stats.retries,
            connect_timeouts: figures.connect_timeouts,
            in_vain: stats.timeouts + stats.shed,
            tried: stats.gets + stats.failed_calls + figures.traffic.statements(),
            failed: stats.failed_calls + failed_statements(figures),
            circuit_open_for: stats.circuit_for.filter(|_| circuit_open),
            circuit_says: if circuit_open { self.why_unreachable() } else { String::new() },
            connection_timeout: self.settings.connection_timeout,
        }
    }

    fn emit_alert(&self, change: &Change) {
        match change {
            Change::Raised(kind, cause) => {
                let severity = [("severity", kind.severity().name().into())];
                let grave = if kind.severity() == Severity::Critical { "critical alert" } else { "alert" };
                self.emit(EventKind::AlertRaised).reason(kind.name()).warn(
                    &severity,
                    format_args!("{grave} {}: {cause}; to do: {}", kind.name(), kind.remedy()),
                );
            }
            Change::Cleared(kind, lasted) => self
                .emit(EventKind::AlertCleared)
                .reason(kind.name())
                .took(*lasted)
                .info(&[], format_args!("alert {} is over, after {}", kind.name(), human(*lasted))),
        }
    }

    /// Emits an event if the circuit differs from the one last emitted.
    pub(in crate::pool) fn note_circuit(&self) {
        let (circuit, lasts) = self.circuit();
        let place = Circuit::ALL.iter().position(|other| *other == circuit).unwrap_or_default() as u8;
        let before = self.sampler.circuit.swap(place, Ordering::AcqRel);
        if before == place {
            return;
        }
        let was = Circuit::ALL[usize::from(before)];
        let lasts = lasts.map(|lasts| format!(" (after {})", human(lasts))).unwrap_or_default();
        self.emit(EventKind::CircuitMoved).reason(circuit.name()).debug(
            &[("was", was.name().into())],
            format_args!("the circuit is {}, was {}{lasts}", circuit.name(), was.name()),
        );
    }

    fn check_for_leaks(&self) {
        let Some(threshold) = self.settings.leak_detection_threshold else { return };
        for conn in self.registry.all() {
            let Some(holding) = conn.checkout.holding() else { continue };
            if holding.held_for < threshold || !conn.checkout.report_once() {
                continue;
            }
            self.metrics.leak_suspected();
            let place = holding.place.map(ToString::to_string);
            let taken = place.as_ref().map(|place| format!(", taken at {place}")).unwrap_or_default();
            let trace = holding.backtrace.map(|trace| format!("\n{trace}")).unwrap_or_default();
            let advice = match (&place, trace.is_empty()) {
                (None, true) => "; leak_backtrace=on tells where it was taken",
                _ => "",
            };
            self.emit(EventKind::LeakSuspected)
                .connection(conn.id, conn.link.backend_key().map(|key| key.process_id))
                .took(holding.held_for)
                .place(place.as_deref())
                .warn(
                    &[],
                    format_args!(
                        "a connection has been checked out for {}, longer than leak_detection_threshold{taken}: was it forgotten?{advice}{trace}",
                        human(holding.held_for)
                    ),
                );
        }
    }
}

/// Returns the number of failed statements, without those that failed because of their own text or a conflict.
fn failed_statements(figures: &Figures) -> u64 {
    figures
        .traffic
        .failed
        .iter()
        .filter(|(code, _)| !sqlstate::is_fault_of_statement(**code))
        .map(|(_, failed)| failed.count())
        .sum()
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
