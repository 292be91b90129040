//! Servers that are out of reach, full, shared, behind a pooler, or refuse; and the opening of connections.

mod failover;
mod fleet;
mod full_server;
mod opening;
mod outage;
mod permanent_failure;
mod pglite;
mod pgpool;
mod poolers;
mod setting_up;
mod translated;
