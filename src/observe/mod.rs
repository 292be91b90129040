//! The measurements of a pool, and the rules that judge them. Everything here is below the pool, which feeds it: this module
//! knows nothing of PostgreSQL's wire protocol, of the pool's locks, or of text formats (those are in
//! [`exposition`](crate::exposition)).
//!
//! Metrics of hot paths are kept per connection and written only by its present caller, with plain loads and stores: no lock
//! and no cache line is shared between threads. Readers add them up.

pub(crate) mod alerts;
pub(crate) mod checkout;
pub(crate) mod event;
pub(crate) mod exhaustion;
pub(crate) mod health;
pub(crate) mod histogram;
pub(crate) mod history;
pub(crate) mod traffic;
