//! What `Pool::transaction` promises: run again when that is safe and may help, never otherwise, and nothing reported as
//! committed that was not.

mod bodies;
mod commits;
mod conflicts;
mod failover;
mod losses;
#[path = "../support/mod.rs"]
mod support;

use std::time::Duration;

use holdfast::{Pool, PoolConfig};
use holdfast_testkit::embedded::EmbeddedPostgres;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn config(server: &EmbeddedPostgres, name: &str) -> PoolConfig {
    PoolConfig::from_url(&server.url()).expect("the server's own URL").application_name(name)
}

fn pool(server: &EmbeddedPostgres, name: &str) -> Pool {
    Pool::new(config(server, name)).expect("a valid configuration")
}

/// The one number that a statement returns.
fn number(pool: &Pool, sql: &str) -> i64 {
    pool.query_one(sql, &[]).expect("a statement that works").get(0)
}

/// Statements fail with this SQLSTATE when they run it.
fn raise(code: &str) -> String {
    format!("do $$begin raise exception 'as asked' using errcode = '{code}'; end$$")
}
