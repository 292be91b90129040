//! The snapshot is compiled anew, since only its own crate can construct one; the rest is the library's.

pub(crate) use holdfast::{ErrorKind, LimitedBy};

#[path = "../../../src/error/snapshot.rs"]
mod snapshot;
pub(crate) use snapshot::PoolSnapshot;
