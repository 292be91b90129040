//! Submitting the end of a pool.

use super::queue::holdfast_queue;
use super::submit::tell;
use crate::ffi::capi::boundary::guard::{guard, milliseconds};
use crate::ffi::capi::boundary::handle::hold;
use crate::ffi::capi::library::error::holdfast_error;
use crate::ffi::capi::library::status::holdfast_status;
use crate::ffi::capi::pools::pool::{HOLDFAST_CONFIGURED, holdfast_pool};
use crate::queue::{Kind, Submission, Task, Ticket};

/// Has a thread of the library close the pool, as holdfast_pool_close does it, so that an event loop need not wait for that:
/// timeout_ms is the limit, HOLDFAST_CONFIGURED the option close_timeout. completion.idle_closed, .returned, .cancelled and .cut
/// are the report. Requests that wait for a connection then end with HOLDFAST_STATUS_POOL_CLOSED; those that run are awaited, and
/// their completions come before this one or soon after it. Submitting it twice is harmless, also for a pool that is closed.
/// The handle of the pool may be freed right after this call: the request keeps the pool. Cancelling the request keeps the pool
/// from being closed if that has not begun, and does nothing after. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_submit_close(
    pool: *const holdfast_pool,
    queue: *const holdfast_queue,
    tag: u64,
    timeout_ms: u64,
    request: *mut u64,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: `pool` and `queue` are NULL or live.
        let (pool, queue) = unsafe { (hold(pool)?, hold(queue)?) };
        let core = pool.core.clone();
        let close = move || match timeout_ms {
            HOLDFAST_CONFIGURED => core.close(),
            limit => core.close_timeout(milliseconds(limit)),
        };
        let submission = Submission::of_task(tag, Kind::Close, Task::Close(Box::new(close)));
        let number = Ticket::submit_close(&queue.core, &pool.core.checkout_handle(), submission)?;
        // SAFETY: `request` is NULL or writable.
        unsafe { tell(request, number) };
        Ok(())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}
