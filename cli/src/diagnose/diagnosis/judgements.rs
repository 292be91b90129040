//! The findings in a server's inventory.

use std::time::Duration;

use holdfast::error::human;

use super::Questions;
use super::finding::{Finding, FindingSeverity};
use super::inventory::{Inventory, Limit};
use super::own_settings::OwnSettings;
use super::reach::HostReach;
use super::sessions::Session;
use crate::diagnose::pooler::Pooler;

const DAY: Duration = Duration::from_secs(24 * 3600);

pub(super) fn of(inventory: &Inventory, pool: &OwnSettings, questions: &Questions) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(slots(inventory));
    findings.extend(locks(inventory, questions.long));
    findings.extend(missing(inventory));
    findings.extend(idle_in_transaction(inventory, questions.long));
    findings.extend(long_statements(inventory, questions.long));
    findings.extend(circumstances(inventory));
    findings.extend(settings(inventory, pool));
    findings.extend(abandoned(inventory, pool));
    findings
}

/// The findings about a host that need no answers of it.
pub(super) fn of_transport(host: &HostReach, sslmode: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(shown) = &host.certificate {
        let evidence = format!("{}: {}, signed by {}", host.name, shown.subject, shown.issuer);
        let remedy = "renew the server's certificate, then reload the server (pg_ctl reload): sessions that are open stay";
        match shown.left {
            None => findings.push(Finding::critical(
                "certificate_ended",
                "the server's certificate has ended",
                evidence,
                remedy,
            )),
            Some(left) if left < 30 * DAY => {
                let severity =
                    if left < 3 * DAY { FindingSeverity::Critical } else { FindingSeverity::Warning };
                let days = left.as_secs() / DAY.as_secs();
                let title = format!("the server's certificate ends in {days} days");
                findings.push(Finding::new(severity, "certificate_ends_soon", title, evidence, remedy));
            }
            Some(_) => {}
        }
    }
    if !host.is_local && host.error.is_none() {
        findings.extend(exposure(host, sslmode));
    }
    findings
}

fn exposure(host: &HostReach, sslmode: &str) -> Option<Finding> {
    if !host.encrypted {
        let evidence = format!("{}: a plain connection to {}", host.name, host.addresses.join(", "));
        return Some(Finding::warning(
            "not_encrypted",
            "statements and results cross the network in the clear",
            evidence,
            "set ssl=on at the server, then sslmode=verify-full with sslrootcert here",
        ));
    }
    (sslmode != "verify-full").then(|| {
        Finding::advice(
            "server_not_verified",
            "TLS is used, but not whether it is the right server",
            format!("{}: sslmode={sslmode}", host.name),
            "sslmode=verify-full with sslrootcert (a file, or system) protects against somebody in between",
        )
    })
}

fn slots(inventory: &Inventory) -> Vec<Finding> {
    let limits = &inventory.limits;
    let ordinary = Limit { limit: limits.ordinary_slots(), used: limits.server.used };
    let judge = |id, whose: &str, limit: Limit, remedy: &str| {
        let share = f64::from(limit.used) / f64::from(limit.limit.max(1));
        let severity = match share {
            share if share >= 0.95 => FindingSeverity::Critical,
            share if share > 0.8 => FindingSeverity::Warning,
            _ => return None,
        };
        let title = format!("{whose} are nearly used up");
        let evidence = format!(
            "{} of {} used ({:.0} %){}",
            limit.used,
            limit.limit,
            share * 100.0,
            most_used(inventory)
        );
        Some(Finding::new(severity, id, title, evidence, remedy))
    };
    [
        judge("slots_nearly_used_up", "the server's slots", ordinary,
            "close what is idle sooner (idle_timeout), make pools smaller (holdfast tune), put a pooler in front, or raise max_connections"),
        limits.role.and_then(|limit| judge("role_limit_nearly_used_up", "the slots of this role", limit,
            "alter role ... connection limit n, or fewer connections for its processes")),
        limits.database.and_then(|limit| judge("database_limit_nearly_used_up", "the slots of this database", limit,
            "alter database ... connection limit n, or fewer connections for its clients")),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn most_used(inventory: &Inventory) -> String {
    let group = |group: &super::sessions::SessionGroup| {
        let state = if group.state.is_empty() { "hidden" } else { &group.state };
        let application = if group.application.is_empty() { "no name" } else { &group.application };
        format!("{} x {application} as {} ({state})", group.count, group.user)
    };
    let most: Vec<_> = inventory.sessions.iter().take(3).map(group).collect();
    if most.is_empty() { String::new() } else { format!("; most: {}", most.join(", ")) }
}

fn told(sessions: &[Session]) -> String {
    let one = |session: &Session| {
        let application = if session.application.is_empty() { "no name" } else { &session.application };
        format!(
            "pid {} ({application} as {}) for {}: {}",
            session.pid,
            session.user,
            human(session.age),
            session.statement
        )
    };
    let mut told: Vec<_> = sessions.iter().take(3).map(one).collect();
    if sessions.len() > 3 {
        told.push(format!("and {} more", sessions.len() - 3));
    }
    told.join("; ")
}

fn idle_in_transaction(inventory: &Inventory, long: Duration) -> Option<Finding> {
    let sessions = &inventory.idle_in_transaction;
    (!sessions.is_empty()).then(|| {
        Finding::warning(
            "idle_in_transaction",
            format!("{} sessions have been idle in a transaction for over {}", sessions.len(), human(long)),
            told(sessions),
            "look for a commit that is missing, or slow work inside a transaction; select pg_terminate_backend(pid) ends one; \
             idle_in_transaction_session_timeout ends all such in future",
        )
    })
}

fn long_statements(inventory: &Inventory, long: Duration) -> Option<Finding> {
    let sessions = &inventory.long_statements;
    (!sessions.is_empty()).then(|| {
        Finding::warning(
            "long_statements",
            format!("{} statements have run for over {}", sessions.len(), human(long)),
            told(sessions),
            "explain (analyze) tells where the time goes; select pg_cancel_backend(pid) ends one; statement_deadline bounds them all",
        )
    })
}

fn locks(inventory: &Inventory, long: Duration) -> Option<Finding> {
    let blocked = &inventory.blocked;
    let first = blocked.first()?;
    let pids = |pids: &[u32]| pids.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
    let severity =
        if first.session.age >= long { FindingSeverity::Critical } else { FindingSeverity::Warning };
    let (blocker, remedy) = match (first.blockers.first(), first.blocker_transaction_age) {
        // The server's pid for a transaction that no session has.
        (Some(0), _) => (
            first.blocker_state.clone(),
            "see pg_prepared_xacts, then commit prepared or rollback prepared the one that was forgotten; lock_timeout bounds such waits",
        ),
        (_, age) => {
            let open =
                age.map(|age| format!(", its transaction open for {}", human(age))).unwrap_or_default();
            (
                format!("pid {} ({}){open}", pids(&first.blockers), first.blocker_state),
                "end the transaction that has the lock (its session, or select pg_terminate_backend(pid)); lock_timeout bounds such waits",
            )
        }
    };
    Some(Finding::new(
        severity,
        "lock_waits",
        format!("{} sessions wait for locks", blocked.len()),
        format!(
            "pid {} has waited for {} with: {}; blocked by {blocker}",
            first.session.pid,
            human(first.session.age),
            first.session.statement,
        ),
        remedy,
    ))
}

fn missing(inventory: &Inventory) -> Option<Finding> {
    (!inventory.missing.is_empty()).then(|| {
        Finding::critical(
            "schema_missing",
            "tables or columns that are expected are not there",
            format!("missing in {}: {}", inventory.identity.database, inventory.missing.join(", ")),
            "run the migrations, or check database and search_path; names in capitals need double quotes",
        )
    })
}

fn circumstances(inventory: &Inventory) -> Vec<Finding> {
    let identity = &inventory.identity;
    let mut findings = Vec::new();
    if identity.in_recovery || identity.read_only {
        let why = if identity.in_recovery {
            "pg_is_in_recovery() is true: a standby"
        } else {
            "transaction_read_only is on"
        };
        findings.push(Finding::advice(
            "read_only",
            "this server takes no writes",
            why,
            "if writes are wanted: name all hosts and set target_session_attrs=read-write",
        ));
    }
    if let Some(pooler) = &identity.pooler {
        let (title, why) = match pooler {
            Pooler::Pgpool { version } => {
                ("pgpool-II is in between", format!("{} is answered with {version}", Pooler::VERSION))
            }
            Pooler::Unnamed => (
                "a pooler is in between",
                "the process that answers is not the one that the session was begun with".to_owned(),
            ),
        };
        findings.push(Finding::advice("pooler_between", title, why, pooler.advice()));
    }
    if !identity.sees_all {
        findings.push(Finding::advice(
            "sessions_hidden",
            "what other roles do is hidden from this one",
            format!("{} is neither a superuser nor a member of pg_read_all_stats", identity.user),
            format!("grant pg_read_all_stats to {}, or examine with a role that has it", identity.user),
        ));
    }
    findings
}

fn settings(inventory: &Inventory, pool: &OwnSettings) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(no_time_limit(inventory, pool));
    if inventory.setting("password_encryption") == Some("md5") {
        findings.push(Finding::advice(
            "md5_passwords",
            "new passwords are kept as MD5",
            "password_encryption = md5",
            "alter system set password_encryption = 'scram-sha-256'; select pg_reload_conf(); then set the passwords anew",
        ));
    }
    findings
}

fn no_time_limit(inventory: &Inventory, pool: &OwnSettings) -> Option<Finding> {
    let off = |name| inventory.setting(name) == Some("0");
    // Of version 17: it ends both.
    let is_bounded = inventory.setting("transaction_timeout").is_some_and(|limit| limit != "0");
    if is_bounded || !off("idle_in_transaction_session_timeout") {
        return None;
    }
    let forgotten = "alter system set idle_in_transaction_session_timeout = '1min'; select pg_reload_conf()";
    // By itself that is the default, and right for dumps and migrations: worth a word only where nothing else helps.
    let (title, evidence, remedy) = if off("statement_timeout") && pool.statement_deadline.is_none() {
        (
            "nothing ends transactions that were forgotten, nor statements that run on and on",
            "idle_in_transaction_session_timeout = 0, statement_timeout = 0, statement_deadline = 0",
            format!(
                "{forgotten}; for this pool statement_deadline=30s, or alter role {} set statement_timeout = '1min' (of a role \
                 that serves people, not of the whole server: dumps and migrations take their time)",
                inventory.identity.user
            ),
        )
    } else {
        (
            "nothing ends transactions that were forgotten",
            "idle_in_transaction_session_timeout = 0",
            forgotten.to_owned(),
        )
    };
    Some(Finding::advice("no_idle_in_transaction_timeout", title, evidence, remedy))
}

/// The time after which Linux, and others, probe an idle peer.
const SYSTEMS_KEEPALIVE_IDLE: u64 = 7_200;

/// Keepalives that come late matter only where there are sessions without a client.
fn abandoned(inventory: &Inventory, pool: &OwnSettings) -> Option<Finding> {
    let (sessions, longest) = (&inventory.abandoned, pool.max_lifetime?);
    let oldest = sessions.first()?;
    // In seconds, and as it is in effect; 0 on a local socket, which says nothing of others.
    let keepalive: u64 = inventory.setting("tcp_keepalives_idle")?.parse().ok()?;
    let is_ended = inventory.setting("idle_session_timeout").is_some_and(|limit| limit != "0");
    if keepalive < SYSTEMS_KEEPALIVE_IDLE || is_ended || inventory.identity.pooler.is_some() {
        return None;
    }
    let pids: Vec<_> = sessions.iter().take(5).map(|session| session.pid.to_string()).collect();
    Some(Finding::advice(
        "sessions_abandoned",
        "sessions hold slots whose clients are probably gone, and the server will be long in noticing",
        format!(
            "{} as {} from other machines, idle for up to {} (pid {}), longer than max_lifetime = {} lets a pool keep one; \
             tcp_keepalives_idle = {keepalive} s",
            sessions.len(),
            inventory.identity.user,
            human(oldest.age),
            pids.join(", "),
            human(longest)
        ),
        "alter system set tcp_keepalives_idle = '60s'; select pg_reload_conf(): then the server asks after a minute whether a client is \
         still there; server_idle_session_timeout ends what a pool forgot; select pg_terminate_backend(pid) ends those there are",
    ))
}
