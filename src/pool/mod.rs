//! The pool. Parts own state and answer with decisions: `telemetry`, `admission`, `connection`, `outage`, `fleet`. `core` wires
//! them together. Flows act on them and own nothing: `lifecycle`, `server`, `report`, `transaction`. `tasks` lists what they run
//! on other threads. `handle` is what a user holds.

#[macro_use]
mod failpoint;
mod admission;
mod connection;
mod core;
mod fleet;
#[cfg(feature = "fuzzing")]
#[path = "../../fuzz/drivers/pool/mod.rs"]
pub(crate) mod fuzzing;
mod guards;
mod handle;
mod lifecycle;
mod outage;
mod pooled_connection;
mod report;
mod server;
#[cfg(feature = "capi")]
mod submission;
mod tasks;
mod telemetry;
mod transaction;
#[cfg(test)]
mod whole_tests;
mod workers;

#[cfg(feature = "capi")]
pub(crate) use admission::Backlog;
#[cfg(feature = "capi")]
pub(crate) use core::Follower;
pub use handle::Pool;
#[cfg(feature = "http")]
pub(crate) use handle::WeakPool;
#[cfg(feature = "capi")]
pub(crate) use lifecycle::acquire::Call;
#[cfg(feature = "capi")]
pub(crate) use lifecycle::set_up::{ConnectHook, SetUp};
pub use lifecycle::shutdown::CloseReport;
pub use pooled_connection::PooledConnection;
#[cfg(feature = "capi")]
pub(crate) use submission::{Asked, CheckoutHandle, WeakCheckoutHandle, closed};
pub use telemetry::stats::{Circuit, CloseReason, Stats};
pub(crate) use telemetry::totals::Figures;
pub use transaction::idempotent::Idempotent;
#[cfg(feature = "capi")]
pub(crate) use transaction::run::Came;
