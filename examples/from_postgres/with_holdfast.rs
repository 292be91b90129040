//! The program on Holdfast.

pub use holdfast as library;
pub use holdfast::PooledConnection as Connection;

#[allow(clippy::duplicate_mod)]
#[path = "program.rs"]
mod program;

pub use program::run;
