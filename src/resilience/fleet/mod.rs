//! Sharing one small database among many pools, with no coordinator but the database itself: see `docs/fleet.md`.
//!
//! A pool that has its connections never hears "too many connections", so what it learns from refusals cannot make it give
//! way to those who have none. So pools look, now and then, at how many slots there are and how many pools hold them, and
//! each holds itself to its share. All see the same and do the same sum; where they differ for a moment, the one slot that
//! the fleet leaves free makes up for it.
//!
//! Decisions only, with time and chance handed in: the simulation of whole fleets (`examples/fleet_model`) runs this code.

pub(crate) mod allocation;
pub(crate) mod census;
pub(crate) mod membership;
