//! The opening of sessions: hosts and addresses, `sslmode`, start-up packet, authentication, the server's role. Pools do it by
//! themselves; what is public here opens sessions without a pool ([`Target`]).
//!
//! `Connector` does all of it on the calling thread under one deadline, with one descriptor and no driver. A driver can
//! be made on the open session later, as a `Guest`.

mod auth;
mod candidates;
mod connector;
#[cfg(feature = "fuzzing")]
#[path = "../../fuzz/drivers/connect/mod.rs"]
pub(crate) mod fuzzing;
mod guest;
mod layers;
mod messages;
mod password;
mod peer;
mod role;
mod server_timeouts;
mod session_options;
mod standalone;
mod startup;
#[cfg(test)]
mod startup_tests;
mod timing;
mod unresponsive;

pub(crate) use connector::{Connector, Opened, Reachability};
pub(crate) use guest::{Guest, open_guest};
pub use standalone::{StandaloneSession, Target};
pub(crate) use startup::SessionStart;
pub use timing::Timing;

pub use crate::link::Encryption;
