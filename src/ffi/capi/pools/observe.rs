//! The observation of a pool: metrics, health, history and exhaustion.
//!
//! Metrics, health, and who holds the connections, as numbers and as texts.

use super::pool::holdfast_pool;
use crate::exposition::{self, MetricsFormat};
use crate::ffi::capi::boundary::growable;
use crate::ffi::capi::boundary::growable::Growing;
use crate::ffi::capi::boundary::guard::{Failure, Out, guard, micros, or_default};
use crate::ffi::capi::boundary::handle::hold;
use crate::ffi::capi::library::error::holdfast_error;
use crate::ffi::capi::library::status::holdfast_status;
use crate::ffi::capi::library::text::{Text, ended, holdfast_str, holdfast_text, literal};
use crate::observe::health::HealthStatus;

/// Prometheus' text format, version 0.0.4.
pub const HOLDFAST_METRICS_PROMETHEUS: i32 = 1;
/// OpenMetrics 1.0.
pub const HOLDFAST_METRICS_OPENMETRICS: i32 = 2;
/// A JSON document.
pub const HOLDFAST_METRICS_JSON: i32 = 3;
/// Words for people.
pub const HOLDFAST_METRICS_WORDS: i32 = 4;

// One for each status.
include!(concat!(env!("OUT_DIR"), "/health_constants.rs"));

/// As a time: it was never.
pub const HOLDFAST_NEVER: u64 = u64::MAX;

/// The health of a pool. Set struct_size before the call that fills it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct holdfast_health {
    /// sizeof(holdfast_health).
    pub struct_size: u32,
    /// A HOLDFAST_HEALTH_ constant.
    pub status: i32,
    /// 1 if the process should go on living: the pool was not closed. A server that is away is no reason to restart.
    pub live: u32,
    /// 1 if requests that need the database should be sent here.
    pub ready: u32,
    /// The number of alerts raised.
    pub alerts: u32,
    /// The number of reasons for not being healthy.
    pub reasons: u32,
    /// The time since the server last answered, in microseconds, or HOLDFAST_NEVER.
    pub last_success_us: u64,
    /// The time since opening a connection last failed, in microseconds, or HOLDFAST_NEVER.
    pub last_error_us: u64,
    /// The time that the last validation of a connection took, in microseconds, or HOLDFAST_NEVER.
    pub last_probe_us: u64,
}

// SAFETY: repr(C); six of 32 bits, then u64: no padding.
unsafe impl Growing for holdfast_health {}

/// Returns the name of a HOLDFAST_HEALTH_ constant in snake case, such as "degraded"; "unknown" for a status that this version
/// does not have. The text is static. Any thread; does not block.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn holdfast_health_name(status: i32) -> holdfast_str {
    or_default(literal("unknown\0"), || Ok(ended(HealthStatus::name_of_number(status))))
}

/// Fills a struct with how the pool judges its own state, by what is known: the server is not asked. Any thread; does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_pool_health(
    pool: *const holdfast_pool,
    health: *mut holdfast_health,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: the caller gives NULL or a live pool.
        let core = &unsafe { hold(pool)? }.core;
        let found = core.health();
        let filled = holdfast_health {
            struct_size: 0,
            status: found.status as i32,
            live: found.is_live().into(),
            ready: found.is_ready().into(),
            alerts: core.alerts().len() as u32,
            reasons: found.reasons.len() as u32,
            last_success_us: found.last_success.map_or(HOLDFAST_NEVER, micros),
            last_error_us: found.last_error.map_or(HOLDFAST_NEVER, |error| micros(error.age)),
            last_probe_us: found.last_probe.map_or(HOLDFAST_NEVER, micros),
        };
        // SAFETY: the caller gives NULL or a struct that is as large as it says.
        unsafe { growable::write(health, &filled, "holdfast_health") }
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Makes a text of everything that the pool has measured: as HOLDFAST_METRICS_PROMETHEUS or HOLDFAST_METRICS_OPENMETRICS what an
/// HTTP server answers to a scrape, as HOLDFAST_METRICS_JSON all there is to show, health, alerts and the last ten minutes
/// included (docs/stats.schema.json), as HOLDFAST_METRICS_WORDS its health with reasons. Any thread; does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_pool_metrics(
    pool: *const holdfast_pool,
    format: i32,
    text: *mut *mut holdfast_text,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: the caller gives NULL or a place for a handle.
        let out = unsafe { Out::new(text, "text")? };
        // SAFETY: the caller gives NULL or a live pool.
        let core = &unsafe { hold(pool)? }.core;
        out.set(Text::new(match format {
            HOLDFAST_METRICS_PROMETHEUS => core.metrics_text_as(MetricsFormat::Prometheus),
            HOLDFAST_METRICS_OPENMETRICS => core.metrics_text_as(MetricsFormat::OpenMetrics),
            HOLDFAST_METRICS_JSON => core.stats_json(),
            HOLDFAST_METRICS_WORDS => core.health().to_string(),
            other => return Err(no_format(other)),
        }));
        Ok(())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Makes a report of the holders of connections, joined with the server's own list of its slots, as
/// HOLDFAST_METRICS_WORDS or HOLDFAST_METRICS_JSON. The server is asked over a connection of the pool. Any thread;
/// blocks for at most 2 s.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_pool_explain_exhaustion(
    pool: *const holdfast_pool,
    format: i32,
    text: *mut *mut holdfast_text,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: the caller gives NULL or a place for a handle.
        let out = unsafe { Out::new(text, "text")? };
        Failure::if_in_callback()?;
        let as_json = match format {
            HOLDFAST_METRICS_WORDS => false,
            HOLDFAST_METRICS_JSON => true,
            other => return Err(no_format(other)),
        };
        // SAFETY: the caller gives NULL or a live pool.
        let found = unsafe { hold(pool)? }.core.explain_exhaustion();
        out.set(Text::new(if as_json { exposition::exhaustion_json(&found) } else { found.to_string() }));
        Ok(())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

fn no_format(format: i32) -> Failure {
    Failure::argument(format!("format {format} is not one that this call has: see its comment"))
}
