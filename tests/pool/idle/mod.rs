//! Idle connections: when they are closed, kept, validated and doubted.

mod clock_jump;
mod idling;
mod keepalive;
mod release_idle;
mod warming;
