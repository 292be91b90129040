//! Drops a client outside async code: its drop runs its runtime, which panics in async code.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

use postgres::Client;
use tokio::runtime::Handle;

use crate::sys::process_local::ProcessLocal;
use crate::sys::sync::Mutex;
use crate::sys::thread::Thread;

/// Clients that were dropped in async code.
static DEFERRED: ProcessLocal<Mutex<Vec<Client>>> = ProcessLocal::new(Mutex::default);

/// More polls than a tokio task may make before it has to yield (128).
const POLLS_BEYOND_TASK_BUDGET: u32 = 200;

/// Returns whether this thread runs async code, where a second runtime cannot run.
///
/// A thread of `spawn_blocking` has a handle of its runtime as well. Unlike a task, or the future of `block_on`, it has no
/// budget; no other test avoids a panic. Using the budget up only makes the task yield once.
pub(super) fn is_in_async_code() -> bool {
    if Handle::try_current().is_err() {
        return false;
    }
    let mut cx = Context::from_waker(Waker::noop());
    (0..POLLS_BEYOND_TASK_BUDGET).any(|_| pin!(tokio::task::consume_budget()).poll(&mut cx).is_pending())
}

/// Drops a client whose connection has ended; on another thread wherever this one may belong to a runtime.
pub(super) fn drop_client(client: Client) {
    if Handle::try_current().is_err() {
        return drop(client);
    }
    DEFERRED.get().lock().push(client);
    // Where no thread can be made, the next guest drops it.
    let _ = Thread::start("holdfast-guest", drop_deferred);
}

/// Drops the clients deferred in async code.
pub(super) fn drop_deferred() {
    let deferred = std::mem::take(&mut *DEFERRED.get().lock());
    drop(deferred);
}
