//! The queue itself, as the library has it, with numbers for connections.

#[path = "../../../src/pool/admission/mod.rs"]
pub(crate) mod admission;
pub(crate) mod open_connection;
pub(crate) mod scenes;
#[path = "../../../src/pool/stats.rs"]
pub(crate) mod stats;
