//! Settings of the server that would be better.

use super::advice::{Case, ServerSetting};
use super::pool_settings::keeps_one;
use super::sizing::{Bound, Fit};
use crate::diagnose::diagnosis::name;

pub(super) fn of(case: &Case<'_>) -> Vec<ServerSetting> {
    let mut settings: Vec<_> = max_connections(case).into_iter().collect();
    let off = |name| case.settings.get(name) == Some("0");
    if off("idle_in_transaction_session_timeout") {
        settings.push(of_role(
            case,
            "idle_in_transaction_session_timeout",
            "1min",
            "nothing ends transactions that were forgotten: they hold locks, a slot, and old rows from being cleaned away",
        ));
    }
    if off("idle_session_timeout") {
        let (value, reason) = match keeps_one(case) {
            true => (
                "1h",
                "ends sessions of a process that was frozen; longer than max_lifetime, so that a live pool never meets it",
            ),
            false => (
                "5min",
                "ends sessions of a process that was frozen; longer than idle_timeout, so that a live pool never meets it",
            ),
        };
        settings.push(of_role(case, "idle_session_timeout", value, reason));
    }
    if off("client_connection_check_interval") {
        settings.push(of_role(
            case,
            "client_connection_check_interval",
            "2s",
            "ends statements of a process that was killed, which run to their end otherwise and hold their slot",
        ));
    }
    settings.extend(keepalives(case));
    settings
}

fn max_connections(case: &Case<'_>) -> Option<ServerSetting> {
    let server = case.ceilings.iter().find(|ceiling| ceiling.bound == Bound::Server)?;
    let connections = case.sizing.wanted.saturating_mul(case.sizing.holders);
    let needed = server.needed_for(connections);
    let kept_free = needed.saturating_sub(server.reserved + server.others).saturating_sub(connections);
    (case.sizing.fit != Fit::Fits && needed > server.limit).then(|| ServerSetting {
        name: "max_connections",
        now: server.limit.to_string(),
        value: needed.to_string(),
        statement: format!("alter system set max_connections = {needed}; -- then restart the server"),
        reason: format!(
            "{} x {} wanted + {} reserved + {} in use by others + {} kept free = {needed}; see below for what it costs",
            case.sizing.holders, case.sizing.wanted, server.reserved, server.others, kept_free
        ),
    })
}

/// Over a local socket there are none.
fn keepalives(case: &Case<'_>) -> Option<ServerSetting> {
    const LONG: u32 = 300;
    let now = case.settings.get("tcp_keepalives_idle")?;
    let seconds: u32 = now.parse().ok()?;
    (seconds > LONG).then(|| {
        of_role(
            case,
            "tcp_keepalives_idle",
            "60",
            "a client whose machine died without a word keeps its slots for so many seconds (0 asks the system, usually 7200)",
        )
    })
}

/// For the pool's role alone, so that no other session is affected.
fn of_role(case: &Case<'_>, setting: &'static str, value: &str, reason: &str) -> ServerSetting {
    ServerSetting {
        name: setting,
        now: case.settings.get(setting).unwrap_or_default().to_owned(),
        value: value.to_owned(),
        statement: format!("alter role {} set {setting} = '{value}';", name(&case.identity.user)),
        reason: reason.to_owned(),
    }
}
