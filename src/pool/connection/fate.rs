//! The decision about a connection that was returned.

use crate::link::checkouts::Requests;
use crate::pool::telemetry::stats::CloseReason;
use crate::sys::clock::Tick;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pool) enum Fate {
    /// It is put on the idle stack at this time, or handed to a waiter.
    Park(Tick),
    /// A worker brings it to rest first.
    Settle(Requests),
    /// A worker validates its role first.
    CheckRole,
    /// A worker takes the fleet's census over it first.
    TakeCensus,
    /// A worker asks the server over it who holds its slots, first.
    Explain,
    /// It died while it was checked out; so may have its siblings.
    Broken,
    Close(CloseReason),
}
