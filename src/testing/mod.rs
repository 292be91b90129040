//! What stands in for a server: the echo server of pools that need none, and entry points for fuzzers.

pub(crate) mod echo;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
