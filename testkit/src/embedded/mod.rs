//! A private PostgreSQL from the binaries that are installed on this machine, for demonstrations and tests.
//!
//! ```
//! use holdfast_testkit::embedded::EmbeddedPostgres;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = EmbeddedPostgres::builder().max_connections(20).setting("log_statement", "all").start()?;
//! let mut client = postgres::Client::connect(&server.url(), postgres::NoTls)?;
//! let limit: String = client.query_one("SHOW max_connections", &[])?.get(0);
//! assert_eq!(limit, "20");
//! # Ok(())
//! # }
//! ```
//!
//! The server is a real one, and so are the faults that one can make with it: [`freeze`](EmbeddedPostgres::freeze) it,
//! [`restart`](EmbeddedPostgres::restart) it, stop it and [start it again](EmbeddedPostgres::start_again) later on the same
//! port, kill a [backend](EmbeddedPostgres::kill_backend), fill it up to a small
//! [`max_connections`](Builder::max_connections), let a [standby](Builder::start_standby_of) follow it and
//! [promote](EmbeddedPostgres::promote) that.
//!
//! It is stopped and removed when dropped. When its owner dies without having dropped it, of `SIGKILL` or by leaving `main`
//! with the server in a static, a watcher process does the same. Nothing of it is kept, so it never flushes to
//! disk: what was committed survives a crash of the server, not one of the machine.
//!
//! Other users of the machine do not get in: over TCP a server asks for a password, a random one that its
//! [`url`](EmbeddedPostgres::url) carries, and its Unix-domain socket lies in a folder that is closed to them.
//!
//! Run as root, it runs the server as the user `postgres`, or `nobody` if there is none, since PostgreSQL refuses to be root.
//!
//! The binaries are looked for by `pg_config --bindir`, on `PATH` and in the usual folders (the newest version first); the
//! variable `HOLDFAST_PG_BINDIR` decides if it is set. When there are none, the error says what was looked at and what to
//! install.

mod binaries;
mod builder;
mod error;
mod faults;
mod files;
mod launch;
mod port;
mod processes;
mod scram;
mod server;
mod settings;
mod urls;
mod user;
mod workspace;

pub use builder::{Builder, TlsFiles};
pub use error::Error;
pub use port::free_port;
pub use server::{EmbeddedPostgres, StopMode};
