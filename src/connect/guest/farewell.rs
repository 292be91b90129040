//! Dropping a client where it must not be dropped: its drop runs its runtime, which panics in async code.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};
use std::thread;

use parking_lot::Mutex;
use postgres::Client;
use tokio::runtime::Handle;

/// Clients that were given up in async code.
static DEFERRED: Mutex<Vec<Client>> = Mutex::new(Vec::new());

/// More polls than a task of tokio's may make before it has to let others run (128).
const MORE_THAN_A_BUDGET: u32 = 200;

/// Whether this thread runs async code, where a second runtime cannot run.
///
/// A thread of `spawn_blocking` has a handle of its runtime as well. What tells it from a task, and from the future of
/// `block_on`, is that it has no budget: there is no other way to find out that does not panic. Using the budget up does
/// no harm but that the task yields once.
pub(super) fn is_in_async_code() -> bool {
    if Handle::try_current().is_err() {
        return false;
    }
    let mut cx = Context::from_waker(Waker::noop());
    (0..MORE_THAN_A_BUDGET).any(|_| pin!(tokio::task::consume_budget()).poll(&mut cx).is_pending())
}

/// Drops a client that talks to nothing any more. Wherever there may be a runtime that is done on another thread.
pub(super) fn drop_client(client: Client) {
    if Handle::try_current().is_err() {
        return drop(client);
    }
    DEFERRED.lock().push(client);
    // Where there is no thread to be had, the next guest takes it away.
    let _ = thread::Builder::new().name("holdfast-guest".into()).spawn(drop_deferred);
}

/// Drops what was given up in async code.
pub(super) fn drop_deferred() {
    let given_up = std::mem::take(&mut *DEFERRED.lock());
    drop(given_up);
}
