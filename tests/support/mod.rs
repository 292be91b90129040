//! Tools that make a test read like the story of an outage.
//!
//! Each integration test says `mod support;` and takes what it needs:
//!
//! - [`server`], [`own_server`]: a real PostgreSQL, shared by the tests of one file or a test's own (freeze it, restart it,
//!   fill it up: see `holdfast_testkit::embedded`);
//! - [`proxy`], [`fake`]: networks and servers that fail on purpose, from the test kit;
//! - [`netns`]: a network of its own in which packets really vanish;
//! - [`own_process`]: a process of the test's own;
//! - [`pgbouncer`], [`pgpool`]: a real pooler in between;
//! - [`certs`]: certificates, good and bad ones;
//! - [`activity`]: what the server itself says about its sessions;
//! - [`leaks`]: descriptors and threads of this process.

// Every test file compiles its own copy of this module and uses a part of it; what that file leaves out is used by others.
#![allow(dead_code)]

pub mod activity;
pub mod certs;
pub mod leaks;
pub mod netns;
pub mod own_process;
pub mod pgbouncer;
pub mod pgpool;

/// Used by some test programs only.
#[allow(unused_imports)]
pub use holdfast_testkit::{fake_server as fake, proxy};

use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use holdfast_testkit::embedded::{Builder, EmbeddedPostgres};
use postgres::Client;

/// The server that all tests of this test program share, for those that neither fill nor disturb it. Statics are never
/// dropped: the server's watcher stops and removes it when the program ends.
pub fn server() -> &'static EmbeddedPostgres {
    static SERVER: OnceLock<EmbeddedPostgres> = OnceLock::new();
    SERVER.get_or_init(|| own_server(|server| server))
}

/// A server of the test's own, for a test that will harm it: `own_server(|s| s.max_connections(5))`.
pub fn own_server(describe: impl FnOnce(Builder) -> Builder) -> EmbeddedPostgres {
    match describe(EmbeddedPostgres::builder()).start() {
        Ok(server) => server,
        // Its Display, which says what to install; Debug would show the same in a heap.
        Err(error) => panic!("no server to test with: {error}"),
    }
}

/// The server's major version, for what differs between versions.
pub fn major(client: &mut impl postgres::GenericClient) -> u32 {
    let row = client.query_one("select current_setting('server_version_num')::int4 / 10000", &[]);
    u32::try_from(row.expect("a version").get::<_, i32>(0)).expect("a small number")
}

/// Ends a session and waits until its process is gone. `pg_terminate_backend` itself waits from 14 on only.
pub fn terminate(client: &mut Client, pid: i32) {
    client.execute("select pg_terminate_backend($1)", &[&pid]).expect("it may be ended");
    wait_until("the session is gone", Duration::from_secs(10), || {
        let sql = "select not exists (select from pg_stat_activity where pid = $1)";
        client.query_one(sql, &[&pid]).expect("pg_stat_activity").get(0)
    });
}

/// Looks again every 2 ms until `condition` holds; panics with `what` when it does not within `limit`. Returns how long it
/// took.
#[track_caller]
pub fn wait_until(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) -> Duration {
    const TICK: Duration = Duration::from_millis(2);
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < limit, "not within {limit:?}: {what}");
        thread::sleep(TICK);
    }
    begun.elapsed()
}

/// Takes all slots that are left at `url`, until what this returns is dropped; see `holdfast_testkit::full_server`.
pub fn fill(url: &str) -> Vec<Client> {
    holdfast_testkit::full_server::fill(url).expect("the server says that it is full")
}
