//! What a pool records about itself, and the rules by which that is judged. Everything here is below the pool, which feeds
//! it: nothing in this room knows of PostgreSQL's wire, of locks of the pool, or of text formats (those are in
//! [`exposition`](crate::exposition)).
//!
//! Figures of hot paths are kept per connection and written only by who has the connection at that moment, with plain loads
//! and stores: no lock and no cache line is shared between threads. Whoever wants to know adds them up.

pub(crate) mod alerts;
pub(crate) mod checkout;
pub(crate) mod event;
pub(crate) mod exhaustion;
pub(crate) mod health;
pub(crate) mod histogram;
pub(crate) mod history;
pub(crate) mod traffic;
