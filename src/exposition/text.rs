//! Prometheus' text format and OpenMetrics, which differ only in the names of counters, in units, and at the end.
//!
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>, <https://prometheus.io/docs/specs/om/open_metrics_spec/>

use std::fmt::Write as _;
use std::time::Duration;

use super::MetricsFormat;
use super::families::{self, Family, Figure, Sample};
use super::names::MetricKind;
use super::observation::Observation;

const POOL: &str = "db_client_connection_pool_name";

pub(super) fn write(seen: &Observation, format: MetricsFormat) -> String {
    let mut text = String::with_capacity(16 * 1024);
    for family in families::of(seen) {
        if !family.samples.is_empty() {
            write_family(&mut text, &family, seen.pool_name(), format);
        }
    }
    if format == MetricsFormat::OpenMetrics {
        text.push_str("# EOF\n");
    }
    text
}

fn write_family(text: &mut String, family: &Family, pool: &str, format: MetricsFormat) {
    let metric = family.metric;
    // OpenMetrics names the family, and its samples end in `_total`.
    let name = match (format, metric.kind) {
        (MetricsFormat::OpenMetrics, MetricKind::Counter) => metric.name.trim_end_matches("_total"),
        _ => metric.name,
    };
    let _ = writeln!(text, "# HELP {name} {}", metric.help);
    let _ = writeln!(text, "# TYPE {name} {}", metric.kind.name());
    if format == MetricsFormat::OpenMetrics
        && let Some(unit) = ["seconds", "bytes"].into_iter().find(|unit| name.ends_with(&format!("_{unit}")))
    {
        let _ = writeln!(text, "# UNIT {name} {unit}");
    }
    for sample in &family.samples {
        write_sample(text, metric.name, &labels(pool, sample), &sample.value);
    }
}

fn write_sample(text: &mut String, name: &str, labels: &str, value: &Figure) {
    let _ = match value {
        Figure::Count(count) => writeln!(text, "{name}{{{labels}}} {count}"),
        Figure::Seconds(seconds) => writeln!(text, "{name}{{{labels}}} {seconds}"),
        Figure::Durations { buckets, sum } => {
            write_buckets(text, name, labels, buckets);
            let _ = writeln!(text, "{name}_sum{{{labels}}} {}", sum.as_secs_f64());
            let count = buckets.last().map_or(0, |(_, count)| *count);
            writeln!(text, "{name}_count{{{labels}}} {count}")
        }
    };
}

fn write_buckets(text: &mut String, name: &str, labels: &str, buckets: &[(Option<Duration>, u64)]) {
    for (bound, count) in buckets {
        let bound = bound.map_or_else(|| "+Inf".to_owned(), canonical);
        let _ = writeln!(text, "{name}_bucket{{{labels},le=\"{bound}\"}} {count}");
    }
}

/// Writes a bound with a fraction, as OpenMetrics requires of whole numbers.
fn canonical(bound: Duration) -> String {
    let text = bound.as_secs_f64().to_string();
    if text.contains('.') { text } else { format!("{text}.0") }
}

fn labels(pool: &str, sample: &Sample) -> String {
    let mut text = format!("{POOL}=\"{}\"", escaped(pool));
    // An empty label equals none.
    for (name, value) in sample.labels.iter().filter(|(_, value)| !value.is_empty()) {
        let _ = write!(text, ",{name}=\"{}\"", escaped(value));
    }
    text
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_as_the_format_wants_it() {
        assert_eq!(escaped("a\\b\"c\nd"), "a\\\\b\\\"c\\nd");
    }

    #[test]
    fn bounds_are_written_with_a_fraction() {
        assert_eq!(canonical(Duration::from_secs(1)), "1.0");
        assert_eq!(canonical(Duration::from_micros(10)), "0.00001");
    }
}
