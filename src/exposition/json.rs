//! The JSON document of a pool, with the schema `docs/stats.schema.json`.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use super::families::code_name;
use super::names;
use super::observation::Observation;
use crate::Pool;
use crate::error::{LimitedBy, PoolSnapshot, gauges};
use crate::observe::exhaustion::{Exhaustion, Holder, ServerSlots, SlotUse};
use crate::observe::health::Health;
use crate::observe::histogram::Distribution;
use crate::observe::history::Sample;

pub(super) fn write(pool: &Pool) -> String {
    let mut document = figures(&pool.observe());
    document["health"] = health(&pool.health());
    let samples: Vec<_> = pool.history().iter().map(sample).collect();
    document["history"] = json!({ "step_s": 1.0, "samples": samples });
    document["exhaustion"] = pool.last_exhaustion().as_deref().map(exhaustion).into();
    document.to_string()
}

fn figures(seen: &Observation) -> Value {
    let (stats, figures) = (&seen.stats, &seen.figures);
    let traffic = &figures.traffic;
    let by_name = |counts: &[(&'static str, u64)]| {
        counts.iter().map(|(name, n)| ((*name).to_owned(), json!(n))).collect::<Map<_, _>>()
    };
    let closes: Vec<_> = stats.closes().iter().map(|(reason, n)| (reason.name(), *n)).collect();
    let errors: Vec<_> = stats.errors().iter().map(|(kind, n)| (kind.name(), *n)).collect();
    let connect_error =
        |((kind, phase), n): (&(&str, &str), &u64)| json!({ "kind": kind, "phase": phase, "count": n });
    let statement_errors: Map<_, _> =
        traffic.failed.iter().map(|(code, took)| (code_name(code), json!(took.count()))).collect();
    json!({
        "schema": "holdfast.stats.v1",
        "version": env!("CARGO_PKG_VERSION"),
        "time_ms": since_1970_ms(SystemTime::now()),
        "uptime_s": seconds(seen.age),
        "pool": { "name": seen.name, "target": seen.target },
        "connections": connections(stats, seen.min_idle),
        "oldest_waiter_s": seconds(seen.oldest_waiter),
        "circuit": { "state": stats.circuit.name(), "for_s": stats.circuit_for.map(seconds) },
        "counters": names::json_counters(seen).map(|(key, n)| (key.to_owned(), json!(n))).collect::<Map<_, _>>(),
        "closes": by_name(&closes),
        "errors": by_name(&errors),
        "connect_errors": figures.connect_errors.iter().map(connect_error).collect::<Vec<_>>(),
        "statement_errors": statement_errors,
        "durations": {
            "create": durations(&figures.created),
            "wait": durations(&figures.checkouts.waited),
            "use": durations(&figures.checkouts.used),
            "operation": durations(&traffic.took),
        },
        "alerts": seen.alerts.iter().map(|alert| json!({
            "name": alert.kind.name(),
            "severity": alert.kind.severity().name(),
            "for_s": seconds(alert.lasts),
            "cause": alert.cause,
            "remedy": alert.remedy(),
        })).collect::<Vec<_>>(),
    })
}

/// Returns the gauges, and the configured number of idle connections to keep.
fn connections(gauges: &PoolSnapshot, min_idle: u32) -> Value {
    macro_rules! insert {
        ($map:ident; $from:ident; $($(#[$doc:meta])* $gauge:ident: $Type:ty,)+) => {
            $($map.insert(stringify!($gauge).to_owned(), $from.$gauge.shown());)+
        };
    }
    let mut map = Map::from_iter([("min_idle".to_owned(), json!(min_idle))]);
    gauges!(insert, map; gauges);
    map.into()
}

/// A gauge as JSON shows it.
trait Shown {
    fn shown(self) -> Value;
}

impl Shown for u32 {
    fn shown(self) -> Value {
        self.into()
    }
}

impl Shown for Option<u32> {
    fn shown(self) -> Value {
        self.into()
    }
}

impl Shown for Option<LimitedBy> {
    fn shown(self) -> Value {
        self.map(LimitedBy::name).into()
    }
}

fn durations(of: &Distribution) -> Value {
    let quantile = |share| of.quantile(share).map(seconds);
    let bucket =
        |(bound, count): (Option<Duration>, u64)| json!({ "le_s": bound.map(seconds), "count": count });
    json!({
        "count": of.count(),
        "sum_s": seconds(of.sum()),
        "p50_s": quantile(0.5),
        "p95_s": quantile(0.95),
        "p99_s": quantile(0.99),
        "buckets": of.cumulative().map(bucket).collect::<Vec<_>>(),
    })
}

fn health(health: &Health) -> Value {
    let last_error = health.last_error.as_ref().map(|error| {
        json!({
            "kind": error.kind.name(),
            "phase": error.phase.map(|phase| phase.name()),
            "message": error.message,
            "age_s": seconds(error.age),
        })
    });
    json!({
        "status": health.status.name(),
        "live": health.is_live(),
        "ready": health.is_ready(),
        "reasons": health.reasons,
        "last_success_s": health.last_success.map(seconds),
        "last_error": last_error,
        "last_probe_s": health.last_probe.map(seconds),
    })
}

/// Writes one sample, with its counts per second.
fn sample(sample: &Sample) -> Value {
    let per_second = |count: u64| count as f64 / sample.over.as_secs_f64().max(0.001);
    json!({
        "age_s": seconds(Instant::now().saturating_duration_since(sample.at)),
        "in_use": sample.in_use,
        "idle": sample.idle,
        "opening": sample.opening,
        "waiting": sample.waiting,
        "limit": sample.limit,
        "circuit": sample.circuit,
        "gets": per_second(sample.gets),
        "errors": per_second(sample.errors),
        "timeouts": per_second(sample.timeouts),
        "retries": per_second(sample.retries),
        "wait_p50_s": sample.waited.p50.map(seconds),
        "wait_p99_s": sample.waited.p99.map(seconds),
        "use_p50_s": sample.used.p50.map(seconds),
        "use_p99_s": sample.used.p99.map(seconds),
    })
}

/// Writes an exhaustion report, as part of the document or alone.
pub(super) fn exhaustion(found: &Exhaustion) -> Value {
    json!({
        "age_s": found.taken.elapsed().map(seconds).unwrap_or_default(),
        "verdict": found.verdict(),
        "summary": found.to_string(),
        "holders": found.holders.iter().map(holder).collect::<Vec<_>>(),
        "server": found.server.as_ref().map(server),
        "server_error": found.server_error,
    })
}

fn holder(holder: &Holder) -> Value {
    json!({
        "connection": holder.connection,
        "backend_pid": holder.backend_pid,
        "held_s": seconds(holder.held_for),
        "from": holder.place,
        "backtrace": holder.backtrace.as_ref().map(ToString::to_string),
        "transaction": holder.transaction.name(),
        "busy": holder.busy,
        "last_statement_s": holder.last_statement.map(seconds),
    })
}

fn server(server: &ServerSlots) -> Value {
    let limit =
        |limit: Option<(u32, u32)>| limit.map(|(limit, used)| json!({ "limit": limit, "used": used }));
    let slot = |slot: &SlotUse| {
        json!({
            "application": slot.application,
            "user": slot.user,
            "state": slot.state,
            "count": slot.count,
            "oldest_s": slot.oldest.map(seconds),
        })
    };
    json!({
        "max_connections": server.max_connections,
        "reserved": server.reserved,
        "used": server.used,
        "idle_in_transaction": server.idle_in_transaction,
        "role": limit(server.role_limit),
        "database": limit(server.database_limit),
        "slots": server.slots.iter().map(slot).collect::<Vec<_>>(),
    })
}

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

fn since_1970_ms(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
