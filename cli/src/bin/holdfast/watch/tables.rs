//! A look as rows of text, for the screen and for a snapshot alike.

use std::time::Duration;

use holdfast::Printable;

use super::look::{Group, PoolLook, ServerLook, Session};
use super::sorting::Sorting;

pub(super) const GROUPS: [&str; 8] =
    ["sessions", "active", "idle", "in tx", "locked", "longest", "role", "application"];
pub(super) const POOLS: [&str; 9] =
    ["in use", "idle", "opening", "waiting", "limit", "wait p99", "circuit", "health", "pool"];

pub(super) fn groups(groups: Vec<Group>, sorting: Sorting) -> Vec<[String; 8]> {
    sorting.sorted(groups).into_iter().map(|group| row(&group)).collect()
}

fn row(group: &Group) -> [String; 8] {
    [
        group.count.to_string(),
        group.active.to_string(),
        group.idle.to_string(),
        group.idle_in_transaction.to_string(),
        group.waiting.to_string(),
        seconds(group.longest),
        visible(&group.user, "(no role)"),
        visible(&group.application, "(no name)"),
    ]
}

/// A name or message of others, with what would move the cursor escaped.
pub(super) fn visible(text: &str, if_empty: &str) -> String {
    if text.is_empty() {
        return if_empty.to_owned();
    }
    Printable(text).to_string()
}

pub(super) fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

pub(super) fn pools(pools: &[PoolLook]) -> Vec<[String; 9]> {
    pools.iter().map(pool).collect()
}

fn pool(look: &PoolLook) -> [String; 9] {
    if look.stats.is_err() {
        let mut silent = std::array::from_fn(|_| "-".to_owned());
        silent[8] = visible(&format!("{} (does not answer)", look.address), "-");
        return silent;
    }
    let count = |path| format!("{}", look.figure(path));
    let wait = look.at("/durations/wait/p99_s").and_then(serde_json::Value::as_f64);
    [
        count("/connections/in_use"),
        count("/connections/idle"),
        count("/connections/opening"),
        count("/connections/waiting"),
        count("/connections/limit"),
        wait.map_or("-".to_owned(), |wait| format!("{:.1} ms", wait * 1e3)),
        visible(&look.text("/circuit/state"), "-"),
        visible(&look.text("/health/status"), "-"),
        visible(&look.name(), "-"),
    ]
}

/// Alerts of pools, each with what to do; why a pool is not healthy, or does not answer.
pub(super) fn alerts(pools: &[PoolLook]) -> Vec<String> {
    let mut lines = Vec::new();
    for pool in pools {
        if let Err(error) = &pool.stats {
            lines.push(visible(&format!("{}: {error}", pool.address), ""));
        }
        for alert in pool.alerts() {
            let text = |key: &str| alert[key].as_str().unwrap_or_default();
            let line =
                format!("{}: {} {}; to do: {}", pool.name(), text("severity"), text("cause"), text("remedy"));
            lines.push(visible(&line, ""));
        }
        let reasons = pool.at("/health/reasons").and_then(serde_json::Value::as_array);
        for reason in reasons.into_iter().flatten().filter_map(serde_json::Value::as_str) {
            lines.push(visible(&format!("{}: {reason}", pool.name()), ""));
        }
    }
    lines
}

pub(super) fn lasting(server: &ServerLook, long: Duration) -> Vec<String> {
    server.lasting(long).into_iter().map(session).collect()
}

fn session(session: &Session) -> String {
    let lock = if session.waits_for_lock { ", waiting for a lock" } else { "" };
    let line = format!(
        "{:>8}  pid {} {} as {} ({}{lock}): {}",
        seconds(session.since),
        session.pid,
        visible(&session.application, "(no name)"),
        session.user,
        session.state,
        session.statement
    );
    visible(&line, "")
}

/// In one line.
pub(super) fn summary(server: &ServerLook) -> String {
    let count = |which: fn(&Session) -> bool| server.sessions.iter().filter(|session| which(session)).count();
    visible(
        &format!(
            "{}  {} of {} slots used ({} reserved)  {} active  {} idle in transaction  {} locked  PostgreSQL {}{}",
            server.target,
            server.used(),
            server.slots(),
            server.reserved,
            count(Session::is_active),
            count(Session::is_idle_in_transaction),
            count(|session| session.waits_for_lock),
            server.version,
            server.pooler.as_ref().map_or(String::new(), |pooler| format!(" through {pooler}"))
        ),
        "",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_would_move_the_cursor_is_printed_without_what_does() {
        assert_eq!(visible("a\x1b[2Jb\n\u{202e}", "-"), r"a\u{1b}[2Jb\n\u{202e}");
        assert_eq!(visible("", "-"), "-");
    }
}
