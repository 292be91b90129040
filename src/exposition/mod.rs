//! The metrics of a pool in the formats that other programs read: Prometheus, OpenMetrics, JSON.
//!
//! Names and units are OpenTelemetry's where it has them (semantic conventions for database client metrics), written as
//! Prometheus writes them: dots become underscores, units and `_total` are appended. The rest begins with `holdfast_`.
//! [`METRICS`] lists all.

mod families;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "json")]
mod json;
mod names;
mod observation;
mod text;

pub use names::{METRICS, Metric, MetricKind};
pub(crate) use observation::Observation;

#[cfg(feature = "http")]
pub use http::{ServeOptions, Served};

use crate::Pool;

/// Alert rules for Prometheus, over the metrics of [`METRICS`].
pub const ALERT_RULES: &str = include_str!("alerts.yml");

/// A dashboard for Grafana, over the metrics of [`METRICS`].
pub const GRAFANA_DASHBOARD: &str = include_str!("grafana.json");

/// Returns the JSON of an exhaustion report, as it is part of [`Pool::stats_json`].
#[cfg(feature = "capi")]
pub(crate) fn exhaustion_json(found: &crate::Exhaustion) -> String {
    json::exhaustion(found).to_string()
}

/// A text format of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum MetricsFormat {
    /// Prometheus' own, version 0.0.4.
    #[default]
    Prometheus,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl MetricsFormat {
    /// Returns the value of the HTTP header `Content-Type`.
    ///
    /// ```
    /// use holdfast::exposition::MetricsFormat;
    ///
    /// assert_eq!(MetricsFormat::Prometheus.content_type(), "text/plain; version=0.0.4; charset=utf-8");
    /// ```
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

impl Pool {
    /// Returns all metrics in Prometheus' text format, as an HTTP server answers a scrape. [`METRICS`] lists them.
    ///
    /// Costs some microseconds for each connection. No lock that a checkout needs is held for longer than the copy of a few
    /// numbers.
    ///
    /// ```
    /// let pool = holdfast::Pool::echo(holdfast::PoolConfig::new().name("orders"))?;
    /// pool.query("select 1", &[])?;
    /// let text = pool.metrics_text();
    /// assert!(text.contains(r#"db_client_connection_count{db_client_connection_pool_name="orders",db_client_connection_state="idle"} 1"#));
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn metrics_text(&self) -> String {
        self.metrics_text_as(MetricsFormat::Prometheus)
    }

    /// Returns all metrics like [`metrics_text`](Self::metrics_text), in the given format.
    ///
    /// ```
    /// # let pool = holdfast::Pool::echo(holdfast::PoolConfig::new())?;
    /// let text = pool.metrics_text_as(holdfast::exposition::MetricsFormat::OpenMetrics);
    /// assert!(text.ends_with("# EOF\n"));
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn metrics_text_as(&self, format: MetricsFormat) -> String {
        text::write(&self.observe(), format)
    }

    /// Returns everything as one JSON document: metrics, percentiles, health, alerts, the last ten minutes, the last
    /// explained exhaustion. Its schema is `docs/stats.schema.json` in the repository.
    ///
    /// ```
    /// let pool = holdfast::Pool::echo(holdfast::PoolConfig::new())?;
    /// pool.query("select 1", &[])?;
    /// let stats: serde_json::Value = serde_json::from_str(&pool.stats_json())?;
    /// assert_eq!(stats["connections"]["idle"], 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "json")]
    pub fn stats_json(&self) -> String {
        json::write(self)
    }
}
