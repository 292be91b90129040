//! The promises of the Rust API: typed parameters and rows, transactions, COPY, notifications, types of the user's own.

mod altered_types;
mod errors;
mod guards;
mod own_types;
mod rows;
mod statements;
#[path = "../support/mod.rs"]
mod support;
mod transactions;

use std::time::Duration;

use holdfast::{Pool, PoolConfig, PooledConnection, SimpleQueryMessage};
use holdfast_testkit::embedded::EmbeddedPostgres;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn config(server: &EmbeddedPostgres, name: &str) -> PoolConfig {
    PoolConfig::from_url(&server.url()).expect("the server's own URL").application_name(name)
}

/// A pool of one, so that the next checkout gets the same connection.
fn one(name: &str) -> Pool {
    Pool::new(config(support::server(), name).max_size(1).fleet_share(false)).expect("a valid configuration")
}

/// The first value that a script returns, by a way that prepares nothing.
fn plain(conn: &mut PooledConnection, sql: &str) -> Option<String> {
    let answer = conn.simple_query(sql).expect("a statement that works");
    answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    })
}
