//! The promises of the pool, tried on real servers.

mod async_context;
mod cancelling;
mod checkout;
mod closing;
mod forking;
mod idempotent;
mod idle;
mod logging;
mod own_statements;
mod resizing;
mod server;
mod statements;
mod stats;
mod stress;
#[path = "../support/mod.rs"]
mod support;

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use holdfast::{Pool, PoolConfig};
use holdfast_testkit::embedded::EmbeddedPostgres;
use postgres::{Client, NoTls};

/// A server that the tests of this program share; each test tells its connections by application name.
fn server() -> &'static EmbeddedPostgres {
    static SERVER: OnceLock<EmbeddedPostgres> = OnceLock::new();
    SERVER.get_or_init(|| {
        EmbeddedPostgres::builder().max_connections(200).start().expect("a private PostgreSQL starts")
    })
}

/// A configuration for `server`, with `name` as the application's name. Not a member of a fleet: a census takes an idle
/// connection for a moment, whenever that may be.
fn config(server: &EmbeddedPostgres, name: &str) -> PoolConfig {
    member(server, name).fleet_share(false)
}

/// The same for a member of a fleet, as is the default.
fn member(server: &EmbeddedPostgres, name: &str) -> PoolConfig {
    PoolConfig::from_url(&server.url()).expect("the server's own URL").application_name(name)
}

fn pool(server: &EmbeddedPostgres, name: &str) -> Pool {
    Pool::new(config(server, name)).expect("a valid configuration")
}

/// A look at a server from outside any pool.
struct Observer(Client);

impl Observer {
    fn of(server: &EmbeddedPostgres) -> Self {
        Self(Client::connect(&server.url(), NoTls).expect("the observer gets in"))
    }

    /// Server processes of one application.
    fn backends(&mut self, name: &str) -> Vec<i32> {
        let sql = "select pid from pg_stat_activity where regexp_replace(application_name, ' hf:[0-9a-f]{8}$', '') = $1 order by backend_start";
        self.0.query(sql, &[&name]).expect("pg_stat_activity").iter().map(|row| row.get(0)).collect()
    }

    fn terminate(&mut self, pid: i32) {
        support::terminate(&mut self.0, pid);
    }
}

/// Waits for something that is bound to happen soon; panics when it does not within ten seconds.
fn soon(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < end, "did not happen within 10 s: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
