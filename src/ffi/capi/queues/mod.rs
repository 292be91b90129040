//! Queues of completions, and what is submitted to them.

pub(super) mod queue;
pub(super) mod submit;
pub(super) mod submit_connection;
