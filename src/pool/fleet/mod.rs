//! The pool's share of a server that several pools use.

pub(super) mod share_slots;
