//! Submission and completion: one call hands over a request and never blocks, another fetches its answer. For programs whose
//! threads must not wait, event loops above all.
//!
//! ```text
//! submit ─> Queue::accept ─> Executor (one per pool)                  ─> Queue::complete ─> drain
//!           room, a number     backlog ──────────── worker ── Pool::get  fd, condvar, callback
//!                              ConnectionQueues ─── worker ── a held connection
//!                              chores ───────────── worker
//! ```
//!
//! A [`Request`](request::Request) is answered exactly once: by the holder of its [`Ticket`], or by the thread
//! that cancels it before it runs. The executor's workers are threads that check out connections as any other thread does, so
//! deadlines, retries and the order of waiters hold for them too. There are none until something is submitted, and none after
//! some seconds without work.
//!
//! Kinds of work that could wait for each other are kept apart. At most `max_size` workers serve requests that need a
//! connection of the pool. Work on held connections, and chores such as delivering a cancel request, may start threads beyond
//! that: as many as there are held connections and chores.

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

#[cfg(test)]
mod tests;

pub(crate) use completion_queue::{Completion, Queue};
pub(crate) use connection_queue::{ConnectionQueue, HeldConnection};
#[cfg(test)]
use executor::Executor;
pub(crate) use input::Input;
pub(crate) use notify::Callback;
pub(crate) use request::{Kind, Rejected, Submission, Ticket};
pub(crate) use task::{Answer, Query, Step, Task, Trouble, Work};
