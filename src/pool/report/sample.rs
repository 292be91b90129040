//! Sampling: once a second, while the pool is active, it evaluates alerts, finds forgotten checkouts and records history.
//! An inactive pool is not sampled.

use std::sync::Arc;

use crate::error::{human, sqlstate};
use crate::observe::alerts::{AlertSample, Change, Severity};
use crate::observe::event::EventKind;
use crate::pool::core::Core;
use crate::pool::tasks::Task;
use crate::pool::telemetry::sampler::SAMPLE_INTERVAL;
use crate::pool::telemetry::stats::{Circuit, Stats};
use crate::pool::telemetry::totals::Figures;
use crate::sys::single_flight::Flight;

impl Core {
    /// Starts sampling, since the pool is active.
    #[cold]
    pub(in crate::pool) fn start_sampling(self: &Arc<Self>) {
        if let Some(flight) = self.sampler.begin() {
            self.later(SAMPLE_INTERVAL, Task::Sample(flight));
        }
    }

    /// Takes one sample. Runs on the timer thread.
    pub(in crate::pool) fn take_sample(self: &Arc<Self>, flight: Flight) {
        failpoint!(self, "watched");
        self.note_circuit();
        self.check_for_leaks();
        let (stats, figures) = (self.stats(), self.figures());
        let sample = self.sample(&stats, &figures);
        let (changes, quiet) = self.sampler.record(stats, figures, sample);
        for change in changes {
            self.emit_alert(&change);
        }
        if !quiet {
            return self.later(SAMPLE_INTERVAL, Task::Sample(flight));
        }
        drop(flight);
        // Callers that came before this moment found it active.
        let (gauges, _) = self.admission.snapshot();
        if gauges.in_use + gauges.opening + gauges.waiting > 0 {
            self.start_sampling();
        }
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
        let Some(was) = self.sampler.circuit_moves(circuit) else { return };
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
