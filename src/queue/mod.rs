//! Submission and completion: a request is handed over in one call, which never blocks, and its answer is fetched in
//! another. For programs whose threads must not wait, event loops above all.
//!
//! ```text
//! submit ─> Queue::accept ─> Executor (one per pool)          ─> Queue::complete ─> drain
//!           room, a number     backlog ── worker ── Pool::get     fd, condvar, callback
//!                              sequences ─ worker ── a connection in hand
//!                              chores ──── worker
//! ```
//!
//! A [`Request`](request::Request) is answered by whoever holds its [`Ticket`](request::Ticket), or by the one who cancels
//! it before it runs; by one of them, once. The executor's workers are threads that borrow from the pool as any other
//! thread does, so deadlines, retries and the order of waiters hold for them too. There are none until something is
//! submitted, and none after some seconds without work.
//!
//! What could wait for each other is kept apart: at most `max_size` workers serve requests that need a connection from the
//! pool; what runs on a connection in hand, and chores such as delivering a cancel request, may start threads beyond that,
//! as many as there are connections in hand and chores.

mod coalesce;
mod completion_queue;
mod connection_queue;
mod executor;
mod input;
mod notify;
mod request;
mod retry;
mod scheduler;
mod statement_profile;
mod task;
mod transaction;
mod worker;

#[cfg(all(test, feature = "embedded"))]
mod server_tests;
#[cfg(test)]
mod tests;

pub(crate) use completion_queue::{Completion, Queue};
pub(crate) use connection_queue::{ConnectionQueue, HeldConnection};
#[cfg(test)]
use executor::Executor;
pub(crate) use input::Input;
pub(crate) use notify::Callback;
pub(crate) use request::{Kind, Rejected, Submission, Ticket};
pub(crate) use task::{Answer, Query, Task, Trouble, Work};
