//! Sharing one small database among many pools, with no coordinator but the database itself: see `docs/fleet.md`.
//!
//! A pool that has its connections never gets "too many connections", so what it learns from refusals cannot make it yield to
//! pools that have none. So each pool takes a census now and then: how many slots there are, and which pools hold them. Each
//! keeps to its share. All see the same and compute the same allocation; where they differ for a moment, the one slot that the
//! fleet leaves free makes up for it.
//!
//! Decisions only, with time and chance handed in: the simulation of whole fleets (`examples/fleet_model`) runs this code.

pub(crate) mod allocation;
pub(crate) mod census;
pub(crate) mod membership;
