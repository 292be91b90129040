//! A blocking PostgreSQL connection pool that does not let go.

mod clock;
pub mod config;
#[cfg(feature = "embedded")]
pub mod diagnose;
#[cfg(feature = "embedded")]
pub mod embedded;
mod error;
mod ffi;
mod link;
mod observe;
mod pool;
mod resilience;

pub use config::PoolConfig;
pub use error::{Attempt, Error, ErrorKind, Phase, PoolSnapshot, Result};
pub use link::cancel::CancelHandle;
pub use observe::stats::{CloseReason, CloseReport, Stats};
pub use pool::{Params, Pool, PooledConnection};
/// The driver underneath: rows, types and errors of [`Pool::query`] are its own.
pub use postgres;
