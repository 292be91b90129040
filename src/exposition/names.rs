//! The table of all metrics: names, labels, help texts, and the value of each in an observation. A metric is one row of it.

use super::families::{
    Samples, alerts, closes, connect_errors, connection_states, count, durations, errors, operations,
    optional, seconds, statement_errors, states_of_the_circuit,
};
use super::observation::Observation;

/// The kind of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MetricKind {
    /// Only rises, from zero when the pool is created.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Durations by bucket, with sum and count.
    Histogram,
}

impl MetricKind {
    /// Returns its name in the text formats.
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A metric as [`METRICS`] lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metric {
    /// OpenTelemetry's name; `None` for Holdfast's own.
    pub otel: Option<&'static str>,
    /// Name in Prometheus' text. Counters end in `_total`, durations in `_seconds`, sizes in `_bytes`.
    pub name: &'static str,
    /// The kind of metric.
    pub kind: MetricKind,
    /// Labels beside `db_client_connection_pool_name`, which all metrics have.
    pub labels: &'static [&'static str],
    /// The help text, with the unit.
    pub help: &'static str,
}

macro_rules! metrics {
    ($($kind:ident $(as $json:literal)? $name:literal [$($label:literal),*] $otel:expr, $help:literal, $samples:expr;)+) => {
        /// Every metric of a pool, in the order of the text.
        pub const METRICS: &[Metric] = &[$(
            Metric { otel: $otel, name: $name, kind: MetricKind::$kind, labels: &[$($label),*], help: $help }
        ),+];

        /// The values of each metric, in the order of [`METRICS`].
        const SAMPLES: &[fn(&Observation) -> Samples] = &[$($samples),+];

        /// The key of each counter under `counters` in the JSON document, in the order of [`METRICS`].
        #[cfg(feature = "json")]
        const JSON_KEYS: &[Option<&str>] = &[$(metrics!(@key $($json)?)),+];
    };
    (@key) => { None };
    (@key $json:literal) => { Some($json) };
}

metrics! {
    Gauge "db_client_connection_count" ["db_client_connection_state"] Some("db.client.connection.count"),
        "Open connections, by state: idle or used.", connection_states;
    Gauge "db_client_connection_idle_max" [] Some("db.client.connection.idle.max"),
        "Largest number of idle connections.", |seen| count(seen.stats.max_size);
    Gauge "db_client_connection_idle_min" [] Some("db.client.connection.idle.min"),
        "Number of idle connections that the pool keeps open (min_idle).", |seen| count(seen.min_idle);
    Gauge "db_client_connection_max" [] Some("db.client.connection.max"),
        "Largest number of connections (max_size).", |seen| count(seen.stats.max_size);
    Gauge "db_client_connection_pending_requests" [] Some("db.client.connection.pending_requests"),
        "Callers and submitted requests that wait for a connection.", |seen| count(seen.stats.waiting);
    Counter as "timeouts" "db_client_connection_timeouts_total" [] Some("db.client.connection.timeouts"),
        "Calls that got no connection before their deadline.", |seen| count(seen.stats.timeouts);
    Histogram "db_client_connection_create_time_seconds" [] Some("db.client.connection.create_time"),
        "Time to open a connection.", |seen| durations(&seen.figures.created);
    Histogram "db_client_connection_wait_time_seconds" [] Some("db.client.connection.wait_time"),
        "Time from the request for a connection to its checkout.", |seen| durations(&seen.figures.checkouts.waited);
    Histogram "db_client_connection_use_time_seconds" [] Some("db.client.connection.use_time"),
        "Time from the checkout of a connection to its return.", |seen| durations(&seen.figures.checkouts.used);
    Histogram "db_client_operation_duration_seconds"
        ["db_system_name", "db_response_status_code", "error_type"] Some("db.client.operation.duration"),
        "Time from sending a statement to the end of its reply.", operations;
    Gauge "holdfast_pool_age_seconds" [] None,
        "Time since the pool was created. Many young pools are many short-lived processes.",
        |seen| seconds(seen.age);
    Gauge "holdfast_connections_opening" [] None,
        "Connections that are being opened.", |seen| count(seen.stats.opening);
    Gauge "holdfast_connection_limit" [] None,
        "Largest number of connections at present: below max_size after the server was found to be full.",
        |seen| count(seen.stats.limit);
    Gauge "holdfast_fleet_share" [] None,
        "Number of connections that fleet coordination allows this pool.", |seen| optional(seen.stats.fleet_share);
    Gauge "holdfast_fleet_peers" [] None,
        "Pools of the fleet that hold connections, this one included.", |seen| optional(seen.stats.fleet_peers);
    Gauge "holdfast_oldest_waiter_age_seconds" [] None,
        "Time for which the first caller in the queue has waited; 0 while none waits.",
        |seen| seconds(seen.oldest_waiter);
    Gauge "holdfast_circuit_state" ["state"] None,
        "1 for the present state of the circuit, 0 for the others.", states_of_the_circuit;
    Gauge "holdfast_circuit_seconds" [] None,
        "Time for which the server has been unreachable or has refused the pool; 0 otherwise.",
        |seen| seconds(seen.stats.circuit_for.unwrap_or_default());
    Counter as "opens" "holdfast_connects_total" [] None,
        "Connections that were opened.", |seen| count(seen.stats.opens);
    Counter "holdfast_connect_errors_total" ["kind", "phase"] None,
        "Failed attempts to open a connection, by kind of error and phase.", connect_errors;
    Counter "holdfast_closes_total" ["reason"] None,
        "Connections that were closed, by reason.", closes;
    Counter as "retries" "holdfast_retries_total" [] None,
        "Attempts to open a connection that were repeated after a failure.", |seen| count(seen.stats.retries);
    Counter as "probes" "holdfast_probes_total" [] None,
        "Attempts to open a connection without a caller, to find out whether the server is back.",
        |seen| count(seen.stats.probes);
    Counter as "validations" "holdfast_validations_total" [] None,
        "Successful validations of a connection, before a checkout or in the background.",
        |seen| count(seen.stats.validations);
    Counter as "gets" "holdfast_checkouts_total" [] None,
        "Checkouts.", |seen| count(seen.stats.gets);
    Counter as "waits" "holdfast_waits_total" [] None,
        "Calls that had to wait for a connection.", |seen| count(seen.stats.waits);
    Counter as "shed" "holdfast_shed_total" [] None,
        "Calls that were rejected without waiting (load shedding).", |seen| count(seen.stats.shed);
    Counter "holdfast_errors_total" ["kind"] None,
        "Failed attempts to open a connection and failed calls of the pool, by kind of error.", errors;
    Counter as "statements" "holdfast_statements_total" [] None,
        "Statements that the server completed.", |seen| count(seen.figures.traffic.completed);
    Counter "holdfast_statement_errors_total" ["db_response_status_code"] None,
        "Statements that failed, by SQLSTATE.", statement_errors;
    Counter as "rolled_back" "holdfast_rolled_back_total" [] None,
        "Connections that were returned with an open transaction, which was rolled back.",
        |seen| count(seen.stats.rolled_back);
    Counter as "leaks" "holdfast_leaks_suspected_total" [] None,
        "Checkouts that lasted longer than leak_detection_threshold.",
        |seen| count(seen.figures.leaks_suspected);
    Counter as "bytes_sent" "holdfast_sent_bytes_total" [] None,
        "Bytes sent to the server, before encryption.", |seen| count(seen.figures.traffic.sent_bytes);
    Counter as "bytes_received" "holdfast_received_bytes_total" [] None,
        "Bytes received from the server, after decryption.", |seen| count(seen.figures.traffic.received_bytes);
    Gauge "holdfast_alert" ["alert", "severity"] None,
        "1 while the alert is raised, 0 otherwise.", alerts;
}

/// Returns every metric with its values.
pub(super) fn values(seen: &Observation) -> impl Iterator<Item = (&'static Metric, Samples)> {
    METRICS.iter().zip(SAMPLES).map(|(metric, samples)| (metric, samples(seen)))
}

/// Returns the counters of the JSON document by their keys.
#[cfg(feature = "json")]
pub(super) fn json_counters(seen: &Observation) -> impl Iterator<Item = (&'static str, u64)> {
    let keyed = JSON_KEYS.iter().zip(SAMPLES).filter_map(|(key, samples)| Some(((*key)?, samples)));
    keyed.filter_map(|(key, samples)| Some((key, super::families::counted(&samples(seen))?)))
}
