//! An examination as a document: `docs/diagnose.schema.json` is its schema.

use std::time::{SystemTime, UNIX_EPOCH};

use holdfast_cli::diagnose::{
    Blocked, Examination, FindingSeverity, HostReach, Inventory, Limit, PhaseTime, Session,
};
use serde_json::{Value, json};

/// Returns the document of an examination.
pub(crate) fn examination(examination: &Examination) -> Value {
    json!({
        "schema": "holdfast.diagnose.v1",
        "target": examination.target,
        "worst": examination.worst().map(FindingSeverity::name),
        "findings": examination.findings.iter().map(|finding| json!({
            "severity": finding.severity.name(),
            "id": finding.id,
            "title": finding.title,
            "evidence": finding.evidence,
            "remedy": finding.remedy,
        })).collect::<Vec<_>>(),
        "hosts": examination.hosts.iter().map(host).collect::<Vec<_>>(),
        "server": examination.inventory.as_ref().map(server),
    })
}

fn host(host: &HostReach) -> Value {
    let certificate = host.certificate.as_ref().map(|shown| {
        json!({
            "protocol": shown.protocol,
            "cipher": shown.cipher,
            "subject": shown.subject,
            "issuer": shown.issuer,
            "ends_at": shown.not_after.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            "left_s": shown.not_after.duration_since(SystemTime::now()).map(|left| left.as_secs()).ok(),
        })
    });
    json!({
        "name": host.name,
        "addresses": host.addresses,
        "phases": host.phases.iter().map(phase).collect::<Vec<_>>(),
        "failed": host.failed.as_ref().map(phase),
        "encrypted": host.encrypted,
        "certificate": certificate,
        "error": host.error.as_ref().map(|error| json!({
            "kind": error.kind().name(),
            "phase": error.phase().map(|phase| phase.name()),
            "sqlstate": error.sqlstate().map(|code| code.code()),
            "message": error.to_string(),
        })),
        "took_s": host.took.as_secs_f64(),
    })
}

fn phase(phase: &PhaseTime) -> Value {
    json!({ "phase": phase.phase.name(), "took_s": phase.took.as_secs_f64() })
}

fn server(inventory: &Inventory) -> Value {
    let (identity, limits) = (&inventory.identity, &inventory.limits);
    let limit = |limit: Limit| json!({ "limit": limit.limit, "used": limit.used });
    let session = |session: &Session| {
        json!({
            "pid": session.pid,
            "application": session.application,
            "user": session.user,
            "age_s": session.age.as_secs_f64(),
            "statement": session.statement,
        })
    };
    let blocked = |blocked: &Blocked| {
        json!({
            "session": session(&blocked.session),
            "blockers": blocked.blockers,
            "blocker_state": blocked.blocker_state,
            "blocker_transaction_age_s": blocked.blocker_transaction_age.map(|age| age.as_secs_f64()),
        })
    };
    json!({
        "version": identity.version,
        "version_number": identity.version_number,
        "in_recovery": identity.in_recovery,
        "read_only": identity.read_only,
        "user": identity.user,
        "database": identity.database,
        "sees_all": identity.sees_all,
        "behind_pooler": identity.pooler.is_some(),
        "round_trip_s": inventory.round_trip.as_secs_f64(),
        "limits": {
            "server": limit(limits.server),
            "superuser_reserved": limits.superuser_reserved,
            "reserved": limits.reserved,
            "ordinary_slots": limits.ordinary_slots(),
            "role": limits.role.map(limit),
            "database": limits.database.map(limit),
        },
        "sessions": inventory.sessions.iter().map(|group| json!({
            "application": group.application,
            "user": group.user,
            "state": group.state,
            "count": group.count,
        })).collect::<Vec<_>>(),
        "long_statements": inventory.long_statements.iter().map(session).collect::<Vec<_>>(),
        "idle_in_transaction": inventory.idle_in_transaction.iter().map(session).collect::<Vec<_>>(),
        "blocked": inventory.blocked.iter().map(blocked).collect::<Vec<_>>(),
        "abandoned": inventory.abandoned.iter().map(session).collect::<Vec<_>>(),
        "settings": inventory.settings.iter().map(|(name, value)| (name.clone(), json!(value))).collect::<serde_json::Map<_, _>>(),
        "missing": inventory.missing,
    })
}
