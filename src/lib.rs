//! A blocking PostgreSQL connection pool that does not let go: it keeps a service up when the database says
//! `53300 too many connections`, restarts, freezes or fails over.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let server = holdfast_testkit::embedded::EmbeddedPostgres::start()?;
//! # let url = server.url();
//! use std::time::Duration;
//! use holdfast::{Pool, PoolConfig};
//!
//! let pool = Pool::new(PoolConfig::from_url(&url)?.max_size(4))?; // opens nothing yet
//!
//! // Check out, run a statement, give back: one call.
//! let answer: i32 = pool.query_one("SELECT $1 + 1", &[&41i32])?.get(0);
//! assert_eq!(answer, 42);
//!
//! // Or keep a connection for a while; it goes back when dropped.
//! let mut conn = pool.get()?;
//! conn.set_deadline(Some(Duration::from_secs(2)));
//! let mut tx = conn.transaction()?;
//! tx.batch_execute("CREATE TABLE orders (id int4)")?;
//! tx.commit()?;
//! drop(conn);
//!
//! let stats = pool.stats();
//! assert_eq!((stats.gets, stats.opens, stats.idle), (2, 1, 1));
//! # Ok(()) }
//! ```
//!
//! # In the order in which one meets it
//!
//! - [`PoolConfig`] says where the server is and how the pool behaves; [`config::options`] lists everything that can be
//!   said, in URLs, in the environment, by setters. The defaults are small on purpose: 8 connections in production, 5
//!   in development, none while idle.
//! - [`Pool`] hands out connections: [`get`](Pool::get), [`get_timeout`](Pool::get_timeout), [`try_get`](Pool::try_get), or
//!   [`query`](Pool::query) and its kind in one call.
//! - [`PooledConnection`] and [`Transaction`] have the names and shapes of the `postgres` crate, with deadlines, cancel and
//!   statements that are prepared once; [`sql`] has the rest of that API. Values are converted by [`types`].
//! - [`Pool::transaction`] runs a body in a transaction, again if it conflicts with others.
//! - [`session`] is the raw view of a connection: results as text or binary in one block, streams, pipelines, COPY.
//! - [`Error`] says what happened ([`ErrorKind`]), where ([`Phase`]), what was tried ([`Attempt`]), how the pool stood,
//!   and whether trying again is safe.
//! - [`connect`] opens sessions without a pool, for programs that examine servers.
//! - [`Stats`] shows how the pool stands and what it has done; [`CloseReport`] what closing it took.
//!
//! # Tests
//!
//! [`Pool::echo`] is a pool that needs no server. Servers and networks that fail on purpose are in the package
//! `pg-holdfast-testkit`.
//!
//! # Features
//!
//! - `with-chrono-0_4`, `with-uuid-1`, `with-serde_json-1`, `with-time-0_3` and so on: conversions of other crates' types, as the
//!   `postgres` crate has them under these names.
//!
//! The program `holdfast`, which examines databases and verifies pools, is the package `holdfast-cli`.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(unsafe_code)]
#![warn(clippy::missing_errors_doc, missing_debug_implementations, missing_docs, unreachable_pub)]

pub mod config;
pub mod connect;
pub mod error;
pub mod exposition;
mod ffi;
mod link;
mod logging;
mod named_enum;
mod observe;
mod pool;
mod printable;
mod protocol;
#[cfg(feature = "capi")]
mod queue;
mod resilience;
pub mod session;
pub mod sql;
mod sys;
mod testing;

pub use config::{PasswordRequest, PoolConfig};
pub use error::{
    Attempt, Error, ErrorKind, LimitedBy, ParameterCount, Phase, PhaseTimings, PoolSnapshot, Result,
    ServerMessage,
};
/// The trait of [`RowIter`]: `next` may fail.
pub use fallible_iterator;
pub use link::TransactionStatus;
pub use link::cancel::CancelHandle;
pub use logging::{LogLevel, LogRecord};
pub use observe::alerts::{Alert, AlertKind, Severity};
pub use observe::event::{Event, EventKind};
pub use observe::exhaustion::{Exhaustion, Holder, ServerSlots, SlotUse};
pub use observe::health::{Health, HealthStatus, LastError};
pub use observe::history::{Quantiles, Sample};
pub use pool::{Circuit, CloseReason, CloseReport, Idempotent, Pool, PooledConnection, Stats};
/// The `postgres` crate, whose client [`PooledConnection::client`] gives out.
pub use postgres;
pub use postgres::error::SqlState;
/// Conversions between values in Rust and in PostgreSQL.
pub use postgres_types as types;
#[doc(hidden)]
pub use printable::Printable;
pub use session::{Isolation, Isolation as IsolationLevel, Notification, TransactionOptions};
#[doc(inline)]
pub use sql::{
    Column, CopyInWriter, CopyOutReader, GenericClient, Notifications, Params, Portal, Row, RowIndex,
    RowIter, SimpleColumn, SimpleQueryMessage, SimpleQueryRow, Statement, ToStatement, Transaction,
    TransactionBuilder,
};
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub use testing::fuzzing;

/// The code in the README and in the chapters of the documentation.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
#[doc = include_str!("../docs/getting-started.md")]
#[doc = include_str!("../docs/configuration.md")]
#[doc = include_str!("../docs/operating.md")]
#[doc = include_str!("../docs/security.md")]
#[doc = include_str!("../docs/test-kit.md")]
mod readme {}
