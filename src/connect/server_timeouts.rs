//! Sets `idle_session_timeout` and `client_connection_check_interval` on new sessions, so that the server ends those whose
//! client vanished.
//!
//! Servers refuse what they do not know in the start-up packet, and poolers much of what they do know, so it is said
//! afterwards, in a round trip of its own, to servers of which it is known that they understand.

use std::time::Duration;

use crate::config::settings::OrphanSettings;
use crate::error::{Error, ErrorKind, Phase};
use crate::link::Link;
use crate::session::Lane;

/// Both settings came with PostgreSQL 14.
const SINCE: u8 = 14;

/// Tells a fresh session. A server that cannot do one of the two is left as it is.
pub(super) fn set_timeouts(lane: &mut Lane<'_>, link: &Link, settings: &OrphanSettings) -> Result<(), Error> {
    let statements = statements(settings, link.text_settings().server_major());
    if statements.is_empty() {
        return Ok(());
    }
    // Both in one message; if that fails, each by itself, since the first failure keeps the second from being tried.
    if say(lane, &statements.join("; "))? {
        return Ok(());
    }
    for statement in &statements {
        if !say(lane, statement)? {
            log::debug!(target: "holdfast", "the server does not take this: {statement}");
        }
    }
    Ok(())
}

fn statements(settings: &OrphanSettings, server_major: u8) -> Vec<String> {
    if server_major < SINCE {
        return Vec::new();
    }
    let set = |name: &str, limit: Option<Duration>| {
        // Up to the next millisecond: zero would switch it off.
        limit.map(|limit| format!("set {name} = {}", limit.as_micros().div_ceil(1_000)))
    };
    let idle = set("idle_session_timeout", settings.idle_session_timeout);
    let check = set("client_connection_check_interval", settings.connection_check_interval);
    idle.into_iter().chain(check).collect()
}

/// `false` when the server cannot do it.
fn say(lane: &mut Lane<'_>, sql: &str) -> Result<bool, Error> {
    let Err(error) = lane.script(sql) else { return Ok(true) };
    if error.is_setting_unavailable() {
        return Ok(false);
    }
    if error.kind() == ErrorKind::QueryTimeout {
        let message = "the server did not answer in time when the session was set up";
        return Err(Error::new(ErrorKind::ConnectTimeout, message).in_phase(Phase::Auth).with_source(error));
    }
    Err(error.in_phase(Phase::Auth).set_retryable(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_told_what_they_know_and_nothing_else() {
        let settings = OrphanSettings {
            idle_session_timeout: Some(Duration::from_secs(300)),
            connection_check_interval: Some(Duration::from_micros(1_500)),
        };
        assert_eq!(
            statements(&settings, 14),
            ["set idle_session_timeout = 300000", "set client_connection_check_interval = 2"]
        );
        for unknowing in [0, 9, 13] {
            assert!(statements(&settings, unknowing).is_empty());
        }
        assert!(statements(&OrphanSettings::default(), 18).is_empty());
    }
}
