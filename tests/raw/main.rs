//! The promises of the raw session, on real servers.

mod copies;
mod faults;
mod messages;
mod pipelines;
mod poolers;
mod results;
mod staleness;
mod statements;
mod streams;
#[path = "../support/mod.rs"]
mod support;
mod text_form;
mod turns;

use std::time::Duration;

use holdfast::session::{Param, ResultFormat};
use holdfast::{Pool, PoolConfig, PooledConnection, Result};
use holdfast_testkit::embedded::EmbeddedPostgres;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A pool of one, so that the next checkout gets the same connection.
fn one(server: &EmbeddedPostgres, name: &str) -> Pool {
    let config = PoolConfig::from_url(&server.url()).expect("the server's own URL");
    Pool::new(config.max_size(1).application_name(name)).expect("a valid configuration")
}

/// One value as text.
fn text(conn: &mut PooledConnection, sql: &str, params: &[Param<'_>]) -> Result<Option<String>> {
    let block = conn.raw()?.query(sql, params, ResultFormat::Text)?;
    Ok(block.cell(0, 0).map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
}
