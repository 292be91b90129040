//! A look for programs: one JSON document on one line (`docs/watch.schema.json` is its schema).

use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};

use super::look::{Group, Look, PoolLook, ServerLook, Session};

pub(super) fn of(look: &Look, long: Duration) -> Value {
    let since_1970 = look.at.duration_since(UNIX_EPOCH).unwrap_or_default();
    json!({
        "schema": "holdfast.watch.v1",
        "time_ms": u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX),
        "server": look.server.as_ref().and_then(|server| server.as_ref().ok()).map(|server| document(server, long)),
        "server_error": look.server.as_ref().and_then(|server| server.as_ref().err()),
        "pools": look.pools.iter().map(pool).collect::<Vec<_>>(),
    })
}

fn document(server: &ServerLook, long: Duration) -> Value {
    json!({
        "target": server.target,
        "version": server.version,
        "pooler": server.pooler,
        "max_connections": server.max_connections,
        "reserved": server.reserved,
        "slots": server.slots(),
        "used": server.used(),
        "groups": server.groups().iter().map(group).collect::<Vec<_>>(),
        "fleet": server.fleet().iter().map(group).collect::<Vec<_>>(),
        "lasting": server.lasting(long).into_iter().map(session).collect::<Vec<_>>(),
    })
}

fn group(group: &Group) -> Value {
    json!({
        "application": group.application,
        "user": group.user,
        "count": group.count,
        "active": group.active,
        "idle": group.idle,
        "idle_in_transaction": group.idle_in_transaction,
        "waiting_for_locks": group.waiting,
        "longest_s": group.longest.as_secs_f64(),
    })
}

fn session(session: &Session) -> Value {
    json!({
        "pid": session.pid,
        "application": session.application,
        "user": session.user,
        "state": session.state,
        "since_s": session.since.as_secs_f64(),
        "waits_for_lock": session.waits_for_lock,
        "statement": session.statement,
    })
}

fn pool(pool: &PoolLook) -> Value {
    json!({ "address": pool.address, "stats": pool.stats.as_ref().ok(), "error": pool.stats.as_ref().err() })
}
