//! The queue itself, as the library has it, with numbers for connections.

#[path = "../../../src/pool/admission/mod.rs"]
pub(crate) mod admission;
pub(crate) mod connection;
pub(crate) mod scenes;
pub(crate) mod telemetry;
