//! Part: the pool's share of a server that several pools use.

pub(super) mod census;
pub(super) mod mark;
pub(super) mod watch;
