//! Flow: what a pool does about its server: out of reach, full, refusing permanently, shared with others, of another role.

mod full_server;
mod outage;
mod permanent_failure;
mod probe;
mod role_change;
mod share_slots;
