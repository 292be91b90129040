//! The promises of every connection, whatever it meets on its way: TLS, refusals, broken networks, changing roles.

mod authentication;
mod credentials;
mod encryption;
mod identities;
mod limits;
mod network;
mod poolers;
mod refusals;
mod roles;
mod services;
mod standalone;
#[path = "../support/mod.rs"]
mod support;

use std::time::Duration;

use holdfast::{Error, Pool, PoolConfig};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn config(url: &str) -> PoolConfig {
    PoolConfig::from_url(url).expect("a valid URL").retry_max(0)
}

/// The error of a pool that cannot open a connection.
fn refused(url: &str) -> Error {
    Pool::new(config(url)).expect("a valid configuration").get().expect_err("nobody should get in")
}
