//! The metrics and reports of a pool, compared with what really happened.

#![cfg(feature = "json")]

mod alerts;
mod events;
mod exhaustion;
mod health;
mod leaks;
mod metrics;
mod secrets;
#[path = "../support/mod.rs"]
mod support;

use std::time::Duration;

use holdfast::PoolConfig;
use holdfast_testkit::embedded::EmbeddedPostgres;

use support::wait_until;

fn config(server: &EmbeddedPostgres, name: &str) -> PoolConfig {
    PoolConfig::from_url(&server.url()).expect("the server's own URL").name(name).fleet_share(false)
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Within the time that a busy machine may need.
#[track_caller]
fn soon(what: &str, condition: impl FnMut() -> bool) {
    wait_until(what, Duration::from_secs(20), condition);
}

/// The value of the sample of this name that has all these labels.
fn sample(text: &str, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let has = |line: &&str| {
        line.starts_with(&format!("{name}{{"))
            && labels.iter().all(|(label, value)| line.contains(&format!("{label}=\"{value}\"")))
    };
    text.lines().find(has).and_then(|line| line.rsplit(' ').next()?.parse().ok())
}
