//! Sets `idle_session_timeout` and `client_connection_check_interval` on new sessions, so that the server ends those whose
//! client vanished.
//!
//! In the start-up packet servers refuse settings they do not know, and poolers many they do know. So these are set
//! afterwards, in a round trip of their own, and only on servers whose version has them.

use std::time::Duration;

use crate::config::settings::OrphanSettings;
use crate::error::{Error, ErrorKind, Phase};
use crate::link::Link;
use crate::session::RawSession;

/// The first major version of PostgreSQL with both settings.
const MIN_SERVER_MAJOR: u8 = 14;

/// Sets the timeouts on a fresh session. A setting that the server does not have is skipped.
pub(super) fn set_timeouts(
    raw: &mut RawSession<'_>,
    link: &Link,
    settings: &OrphanSettings,
) -> Result<(), Error> {
    let statements = statements(settings, link.text_settings().server_major());
    if statements.is_empty() {
        return Ok(());
    }
    // Both in one message; if that fails, each by itself, since the first failure keeps the second from running.
    if run(raw, &statements.join("; "))? {
        return Ok(());
    }
    for statement in &statements {
        if !run(raw, statement)? {
            log::debug!(target: "holdfast", "the server does not take this: {statement}");
        }
    }
    Ok(())
}

fn statements(settings: &OrphanSettings, server_major: u8) -> Vec<String> {
    if server_major < MIN_SERVER_MAJOR {
        return Vec::new();
    }
    let set = |name: &str, limit: Option<Duration>| {
        // Rounded up to a millisecond: zero would switch it off.
        limit.map(|limit| format!("set {name} = {}", limit.as_micros().div_ceil(1_000)))
    };
    let idle = set("idle_session_timeout", settings.idle_session_timeout);
    let check = set("client_connection_check_interval", settings.connection_check_interval);
    idle.into_iter().chain(check).collect()
}

/// Runs a statement; `false` when the setting is not available.
fn run(raw: &mut RawSession<'_>, sql: &str) -> Result<bool, Error> {
    let Err(error) = raw.script(sql) else { return Ok(true) };
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
    fn only_settings_that_the_server_has_are_set() {
        let settings = OrphanSettings {
            idle_session_timeout: Some(Duration::from_secs(300)),
            connection_check_interval: Some(Duration::from_micros(1_500)),
        };
        assert_eq!(
            statements(&settings, 14),
            ["set idle_session_timeout = 300000", "set client_connection_check_interval = 2"]
        );
        for too_old in [0, 9, 13] {
            assert!(statements(&settings, too_old).is_empty());
        }
        assert!(statements(&OrphanSettings::default(), 18).is_empty());
    }
}
