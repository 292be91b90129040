//! Queues of completions, and what is submitted to them.

pub(super) mod completion;
pub(super) mod queue;
pub(super) mod submit;
pub(super) mod submit_close;
pub(super) mod submit_connection;
pub(super) mod submit_copy;
mod submit_options;
pub(super) mod submit_stream;
