//! The pool over HTTP: what is answered, to whom, and the dashboard in a real browser.

#![cfg(feature = "http")]

mod answers;
mod browser;
mod page;
mod rules;
#[path = "../support/mod.rs"]
mod support;

use std::time::Duration;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Within the time that a busy machine may need.
#[track_caller]
fn soon(what: &str, condition: impl FnMut() -> bool) {
    support::wait_until(what, Duration::from_secs(30), condition);
}
