//! Advice for programs: `docs/tune.schema.json` is its schema.

use std::time::Duration;

use holdfast_cli::diagnose::{Advice, Bound, Ceiling, PoolSetting, ServerSetting, Spread, Step, WayOut};
use serde_json::{Value, json};

pub(super) fn of(advice: &Advice) -> Value {
    json!({
        "schema": "holdfast.tune.v1",
        "target": advice.target,
        "server_version": advice.server_version,
        "fit": advice.fit.name(),
        "measured": measured(advice),
        "limits": advice.ceilings.iter().map(ceiling).collect::<Vec<_>>(),
        "arithmetic": advice.arithmetic.iter().map(step).collect::<Vec<_>>(),
        "pool": advice.pool.iter().map(pool_setting).collect::<Vec<_>>(),
        "server": advice.server.iter().map(server_setting).collect::<Vec<_>>(),
        "ways_out": advice.ways_out.iter().map(|WayOut { id, text, .. }| json!({ "id": id, "text": text })).collect::<Vec<_>>(),
        "notes": advice.notes,
    })
}

fn measured(advice: &Advice) -> Value {
    let measured = &advice.measured;
    let opening = &measured.opening;
    json!({
        "opening": {
            "whole": spread(&opening.whole),
            "resolve_s": seconds(opening.resolve),
            "connect_s": seconds(opening.connect),
            "tls_s": opening.tls.map(seconds),
            "session_s": seconds(opening.session),
        },
        "round_trip": spread(&measured.round_trip),
        "service_time": {
            "origin": measured.service.origin(),
            "mean_s": seconds(measured.service.mean()),
            "measured": measured.service.spread().map(spread),
        },
    })
}

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

fn spread(times: &Spread) -> Value {
    json!({
        "count": times.count,
        "mean_s": seconds(times.mean),
        "median_s": seconds(times.median),
        "p99_s": seconds(times.p99),
        "longest_s": seconds(times.longest),
    })
}

fn ceiling(ceiling: &Ceiling) -> Value {
    json!({
        "of": Bound::name(ceiling.bound),
        "limit": ceiling.limit,
        "reserved": ceiling.reserved,
        "others": ceiling.others,
        "kept_free": ceiling.kept_free,
        "available": ceiling.available(),
    })
}

fn step(step: &Step) -> Value {
    json!({ "name": step.name, "formula": step.formula, "value": step.value, "unit": step.unit })
}

fn pool_setting(setting: &PoolSetting) -> Value {
    json!({ "key": setting.key, "value": setting.value, "reason": setting.reason })
}

fn server_setting(setting: &ServerSetting) -> Value {
    json!({
        "name": setting.name,
        "now": setting.now,
        "value": setting.value,
        "statement": setting.statement,
        "reason": setting.reason,
    })
}
