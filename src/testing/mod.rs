//! Stand-ins for a server: the echo server of pools without one, and entry points for fuzzers.

pub(crate) mod echo;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
