//! The metric families of one observation, with the samples of each. The formats only write them.

use std::time::Duration;

use super::names::{self, Metric};
use super::observation::Observation;
use crate::observe::alerts::AlertKind;
use crate::observe::histogram::Distribution;
use crate::observe::traffic::SqlState;
use crate::pool::Circuit;

/// Upper bounds that OpenTelemetry recommends for `db.client.operation.duration`, in milliseconds.
const OPERATION_BOUNDS_MS: [u64; 9] = [1, 5, 10, 50, 100, 500, 1_000, 5_000, 10_000];

pub(super) struct Family {
    pub(super) metric: &'static Metric,
    pub(super) samples: Vec<Sample>,
}

pub(super) struct Sample {
    pub(super) labels: Vec<(&'static str, String)>,
    pub(super) value: Figure,
}

pub(super) enum Figure {
    Count(u64),
    Seconds(f64),
    Durations { buckets: Vec<(Option<Duration>, u64)>, sum: Duration },
}

pub(super) fn of(seen: &Observation) -> Vec<Family> {
    let mut families = Families(Vec::new());
    connections(seen, &mut families);
    statements(seen, &mut families);
    standing(seen, &mut families);
    counters(seen, &mut families);
    families.0
}

struct Families(Vec<Family>);

impl Families {
    fn add(&mut self, metric: &'static Metric, samples: Vec<Sample>) {
        self.0.push(Family { metric, samples });
    }

    fn count(&mut self, metric: &'static Metric, value: impl Into<u64>) {
        self.add(metric, vec![Sample { labels: Vec::new(), value: Figure::Count(value.into()) }]);
    }

    fn optional(&mut self, metric: &'static Metric, value: Option<u32>) {
        let sample = |value: u32| Sample { labels: Vec::new(), value: Figure::Count(value.into()) };
        self.add(metric, value.map(sample).into_iter().collect());
    }

    fn seconds(&mut self, metric: &'static Metric, value: Duration) {
        self.add(metric, vec![Sample { labels: Vec::new(), value: Figure::Seconds(value.as_secs_f64()) }]);
    }

    fn durations(&mut self, metric: &'static Metric, durations: &Distribution) {
        let value = Figure::Durations { buckets: durations.cumulative().collect(), sum: durations.sum() };
        self.add(metric, vec![Sample { labels: Vec::new(), value }]);
    }

    fn each(&mut self, metric: &'static Metric, samples: impl IntoIterator<Item = (Vec<String>, u64)>) {
        let label = |values: Vec<String>| metric.labels.iter().copied().zip(values).collect();
        let sample = |(values, count)| Sample { labels: label(values), value: Figure::Count(count) };
        self.add(metric, samples.into_iter().map(sample).collect());
    }
}

fn connections(seen: &Observation, families: &mut Families) {
    let (stats, figures) = (&seen.stats, &seen.figures);
    let state = |name: &str, count: u32| (vec![name.to_owned()], u64::from(count));
    families.each(&names::COUNT, [state("idle", stats.idle), state("used", stats.in_use)]);
    families.count(&names::IDLE_MAX, stats.max_size);
    families.count(&names::IDLE_MIN, seen.min_idle);
    families.count(&names::MAX, stats.max_size);
    families.count(&names::PENDING, stats.waiting);
    families.count(&names::TIMEOUTS, stats.timeouts);
    families.durations(&names::CREATE_TIME, &figures.created);
    families.durations(&names::WAIT_TIME, &figures.checkouts.waited);
    families.durations(&names::USE_TIME, &figures.checkouts.used);
}

fn statements(seen: &Observation, families: &mut Families) {
    let traffic = &seen.figures.traffic;
    let sample = |failure: Option<&SqlState>, took: &Distribution| {
        let code = failure.map(code_name).unwrap_or_default();
        Sample {
            labels: vec![
                ("db_system_name", "postgresql".to_owned()),
                ("db_response_status_code", code.clone()),
                ("error_type", code),
            ],
            value: Figure::Durations { buckets: recommended(took), sum: took.sum() },
        }
    };
    let failed = traffic.failed.iter().map(|(code, took)| sample(Some(code), took));
    let samples = [sample(None, &traffic.took)].into_iter().chain(failed).collect();
    families.add(&names::OPERATION, samples);
}

fn recommended(took: &Distribution) -> Vec<(Option<Duration>, u64)> {
    let is_one = |bound: Duration| OPERATION_BOUNDS_MS.iter().any(|ms| bound == Duration::from_millis(*ms));
    took.cumulative().filter(|(bound, _)| bound.is_none_or(is_one)).collect()
}

fn standing(seen: &Observation, families: &mut Families) {
    let stats = &seen.stats;
    families.seconds(&names::AGE, seen.age);
    families.count(&names::OPENING, stats.opening);
    families.count(&names::LIMIT, stats.limit);
    families.optional(&names::FLEET_SHARE, stats.fleet_share);
    families.optional(&names::FLEET_PEERS, stats.fleet_peers);
    families.seconds(&names::OLDEST_WAITER, seen.oldest_waiter);
    families.each(
        &names::CIRCUIT,
        Circuit::ALL.map(|state| (vec![state.name().to_owned()], u64::from(state == stats.circuit))),
    );
    families.seconds(&names::CIRCUIT_SECONDS, stats.circuit_for.unwrap_or_default());
}

fn counters(seen: &Observation, families: &mut Families) {
    let (stats, figures) = (&seen.stats, &seen.figures);
    families.count(&names::CONNECTS, stats.opens);
    let connect_errors = figures.connect_errors.iter();
    families.each(
        &names::CONNECT_ERRORS,
        connect_errors.map(|((kind, phase), n)| (vec![(*kind).to_owned(), (*phase).to_owned()], *n)),
    );
    families
        .each(&names::CLOSES, stats.closes().iter().map(|(reason, n)| (vec![reason.name().to_owned()], *n)));
    families.count(&names::RETRIES, stats.retries);
    families.count(&names::PROBES, stats.probes);
    families.count(&names::VALIDATIONS, stats.validations);
    families.count(&names::CHECKOUTS, stats.gets);
    families.count(&names::WAITS, stats.waits);
    families.count(&names::SHED, stats.shed);
    families.each(&names::ERRORS, stats.errors().iter().map(|(kind, n)| (vec![kind.name().to_owned()], *n)));
    families.count(&names::STATEMENTS, figures.traffic.completed);
    let failed = figures.traffic.failed.iter();
    families.each(&names::STATEMENT_ERRORS, failed.map(|(code, took)| (vec![code_name(code)], took.count())));
    families.count(&names::ROLLED_BACK, stats.rolled_back);
    families.count(&names::LEAKS, figures.leaks_suspected);
    families.count(&names::SENT, figures.traffic.sent_bytes);
    families.count(&names::RECEIVED, figures.traffic.received_bytes);
    let raised = |kind: AlertKind| seen.alerts.iter().any(|alert| alert.kind == kind);
    families.each(
        &names::ALERT,
        AlertKind::ALL.map(|kind| {
            (vec![kind.name().to_owned(), kind.severity().name().to_owned()], u64::from(raised(kind)))
        }),
    );
}

/// Returns an SQLSTATE as text. It should be ASCII; other bytes become `?`.
pub(super) fn code_name(code: &SqlState) -> String {
    code.iter().map(|byte| if byte.is_ascii_alphanumeric() { char::from(*byte) } else { '?' }).collect()
}
