//! The values of each metric in one observation. The formats only write them.

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

/// Label values, in the order of [`Metric::labels`], with the value they have.
pub(super) type Samples = Vec<(Vec<String>, Figure)>;

pub(super) enum Figure {
    Count(u64),
    Seconds(f64),
    Durations { buckets: Vec<(Option<Duration>, u64)>, sum: Duration },
}

pub(super) fn of(seen: &Observation) -> Vec<Family> {
    let family = |(metric, samples): (&'static Metric, Samples)| {
        let labelled = |(labels, value)| Sample { labels: label(metric, labels), value };
        Family { metric, samples: samples.into_iter().map(labelled).collect() }
    };
    names::values(seen).map(family).collect()
}

fn label(metric: &'static Metric, values: Vec<String>) -> Vec<(&'static str, String)> {
    metric.labels.iter().copied().zip(values).collect()
}

pub(super) fn count(value: impl Into<u64>) -> Samples {
    vec![(Vec::new(), Figure::Count(value.into()))]
}

pub(super) fn optional(value: Option<u32>) -> Samples {
    value.map(count).unwrap_or_default()
}

pub(super) fn seconds(value: Duration) -> Samples {
    vec![(Vec::new(), Figure::Seconds(value.as_secs_f64()))]
}

pub(super) fn durations(durations: &Distribution) -> Samples {
    let value = Figure::Durations { buckets: durations.cumulative().collect(), sum: durations.sum() };
    vec![(Vec::new(), value)]
}

/// Returns the count of a metric without labels.
#[cfg(feature = "json")]
pub(super) fn counted(samples: &Samples) -> Option<u64> {
    match samples.as_slice() {
        [(labels, Figure::Count(count))] if labels.is_empty() => Some(*count),
        _ => None,
    }
}

fn by_name<'a>(counts: impl IntoIterator<Item = (&'a str, u64)>) -> Samples {
    counts.into_iter().map(|(name, n)| (vec![name.to_owned()], Figure::Count(n))).collect()
}

pub(super) fn connection_states(seen: &Observation) -> Samples {
    by_name([("idle", seen.stats.idle.into()), ("used", seen.stats.in_use.into())])
}

pub(super) fn operations(seen: &Observation) -> Samples {
    let traffic = &seen.figures.traffic;
    let sample = |failure: Option<&SqlState>, took: &Distribution| {
        let code = failure.map(code_name).unwrap_or_default();
        let labels = vec!["postgresql".to_owned(), code.clone(), code];
        (labels, Figure::Durations { buckets: recommended(took), sum: took.sum() })
    };
    let failed = traffic.failed.iter().map(|(code, took)| sample(Some(code), took));
    [sample(None, &traffic.took)].into_iter().chain(failed).collect()
}

fn recommended(took: &Distribution) -> Vec<(Option<Duration>, u64)> {
    let is_one = |bound: Duration| OPERATION_BOUNDS_MS.iter().any(|ms| bound == Duration::from_millis(*ms));
    took.cumulative().filter(|(bound, _)| bound.is_none_or(is_one)).collect()
}

pub(super) fn states_of_the_circuit(seen: &Observation) -> Samples {
    by_name(Circuit::ALL.iter().map(|state| (state.name(), u64::from(*state == seen.stats.circuit))))
}

pub(super) fn connect_errors(seen: &Observation) -> Samples {
    let sample = |((kind, phase), n): (&(&str, &str), &u64)| {
        (vec![(*kind).to_owned(), (*phase).to_owned()], Figure::Count(*n))
    };
    seen.figures.connect_errors.iter().map(sample).collect()
}

pub(super) fn closes(seen: &Observation) -> Samples {
    by_name(seen.stats.closes().iter().map(|(reason, n)| (reason.name(), *n)))
}

pub(super) fn errors(seen: &Observation) -> Samples {
    by_name(seen.stats.errors().iter().map(|(kind, n)| (kind.name(), *n)))
}

pub(super) fn statement_errors(seen: &Observation) -> Samples {
    let sample =
        |(code, took): (&SqlState, &Distribution)| (vec![code_name(code)], Figure::Count(took.count()));
    seen.figures.traffic.failed.iter().map(sample).collect()
}

pub(super) fn alerts(seen: &Observation) -> Samples {
    let sample = |kind: &AlertKind| {
        let labels = vec![kind.name().to_owned(), kind.severity().name().to_owned()];
        (labels, Figure::Count(u64::from(seen.alerts.iter().any(|alert| alert.kind == *kind))))
    };
    AlertKind::ALL.iter().map(sample).collect()
}

/// Returns an SQLSTATE as text. It should be ASCII; other bytes become `?`.
pub(super) fn code_name(code: &SqlState) -> String {
    code.iter().map(|byte| if byte.is_ascii_alphanumeric() { char::from(*byte) } else { '?' }).collect()
}
