//! The list of all metrics, with their names, labels and help texts.

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
    ($($ident:ident = $kind:ident $name:literal [$($label:literal),*] $otel:expr, $help:literal;)+) => {
        $(pub(super) const $ident: Metric =
            Metric { otel: $otel, name: $name, kind: MetricKind::$kind, labels: &[$($label),*], help: $help };)+

        /// Every metric of a pool, in the order of the text.
        pub const METRICS: &[Metric] = &[$($ident),+];
    };
}

metrics! {
    COUNT = Gauge "db_client_connection_count" ["db_client_connection_state"] Some("db.client.connection.count"),
        "Connections that are idle or used.";
    IDLE_MAX = Gauge "db_client_connection_idle_max" [] Some("db.client.connection.idle.max"),
        "The most idle connections there may be.";
    IDLE_MIN = Gauge "db_client_connection_idle_min" [] Some("db.client.connection.idle.min"),
        "Idle connections kept open although nobody uses them.";
    MAX = Gauge "db_client_connection_max" [] Some("db.client.connection.max"),
        "The most connections the pool ever owns (max_size).";
    PENDING = Gauge "db_client_connection_pending_requests" [] Some("db.client.connection.pending_requests"),
        "Callers that wait for a connection.";
    TIMEOUTS = Counter "db_client_connection_timeouts_total" [] Some("db.client.connection.timeouts"),
        "Calls that got no connection in time.";
    CREATE_TIME = Histogram "db_client_connection_create_time_seconds" [] Some("db.client.connection.create_time"),
        "Time it took to open a connection.";
    WAIT_TIME = Histogram "db_client_connection_wait_time_seconds" [] Some("db.client.connection.wait_time"),
        "Time callers waited who got a connection.";
    USE_TIME = Histogram "db_client_connection_use_time_seconds" [] Some("db.client.connection.use_time"),
        "Time between borrowing a connection and giving it back.";
    OPERATION = Histogram "db_client_operation_duration_seconds"
        ["db_system_name", "db_response_status_code", "error_type"] Some("db.client.operation.duration"),
        "Time statements took, from request to answer.";
    AGE = Gauge "holdfast_pool_age_seconds" [] None,
        "How long there has been this pool: many young ones are many short-lived processes.";
    OPENING = Gauge "holdfast_connections_opening" [] None, "Connections being opened.";
    LIMIT = Gauge "holdfast_connection_limit" [] None,
        "The most connections at present: less than the maximum where the server was found to be full.";
    FLEET_SHARE = Gauge "holdfast_fleet_share" [] None,
        "What this pool may hold as one of a fleet that shares the server.";
    FLEET_PEERS = Gauge "holdfast_fleet_peers" [] None, "Pools of the fleet that hold connections.";
    OLDEST_WAITER = Gauge "holdfast_oldest_waiter_age_seconds" [] None,
        "How long the first in the queue has waited; 0 when nobody waits.";
    CIRCUIT = Gauge "holdfast_circuit_state" ["state"] None, "1 for the circuit's present state, else 0.";
    CIRCUIT_SECONDS = Gauge "holdfast_circuit_seconds" [] None,
        "How long the server has been out of reach or refused; 0 when it is not.";
    CONNECTS = Counter "holdfast_connects_total" [] None, "Connections opened.";
    CONNECT_ERRORS = Counter "holdfast_connect_errors_total" ["kind", "phase"] None,
        "Attempts to open a connection that failed.";
    CLOSES = Counter "holdfast_closes_total" ["reason"] None, "Connections closed.";
    RETRIES = Counter "holdfast_retries_total" [] None, "Attempts to open a connection that were repeated.";
    PROBES = Counter "holdfast_probes_total" [] None,
        "Attempts on nobody's behalf to find out whether the server is back.";
    VALIDATIONS = Counter "holdfast_validations_total" [] None,
        "Connections that passed validation, before a checkout or in the background.";
    CHECKOUTS = Counter "holdfast_checkouts_total" [] None, "Connections checked out.";
    WAITS = Counter "holdfast_waits_total" [] None, "Times a caller had to queue.";
    SHED = Counter "holdfast_shed_total" [] None, "Calls that were not let into the queue.";
    ERRORS = Counter "holdfast_errors_total" ["kind"] None,
        "Failed attempts to open a connection and failed calls of the pool.";
    STATEMENTS = Counter "holdfast_statements_total" [] None, "Statements that the server completed.";
    STATEMENT_ERRORS = Counter "holdfast_statement_errors_total" ["db_response_status_code"] None,
        "Statements that failed.";
    ROLLED_BACK = Counter "holdfast_rolled_back_total" [] None,
        "Connections that came back with an open transaction.";
    LEAKS = Counter "holdfast_leaks_suspected_total" [] None,
        "Checkouts that lasted longer than leak_detection_threshold.";
    SENT = Counter "holdfast_sent_bytes_total" [] None, "Bytes sent to the server, before TLS.";
    RECEIVED = Counter "holdfast_received_bytes_total" [] None, "Bytes received from the server, after TLS.";
    ALERT = Gauge "holdfast_alert" ["alert", "severity"] None, "1 while the alert is raised, else 0.";
}
