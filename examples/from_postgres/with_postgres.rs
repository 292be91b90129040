//! The program on the `postgres` crate.

pub use postgres as library;
pub use postgres::Client as Connection;

// It is compiled once for each library: that is the point.
#[allow(clippy::duplicate_mod)]
#[path = "program.rs"]
mod program;

pub use program::run;
