//! Queues of completions.
//!
//! For threads that must not wait, those of event loops above all. holdfast_submit_... hands a request over and returns at
//! once. Workers of the pool do it as threads of the program would do it with the blocking calls, and put a completion into
//! the queue: one for each request accepted, whatever happens, also if the pool is closed or its last handle freed. The
//! program learns that completions wait from a descriptor (holdfast_queue_fd), from a callback (holdfast_queue_on_ready) or
//! by waiting (holdfast_queue_wait), and takes many at once (holdfast_queue_drain). One queue may serve any number of pools.
//!
//! A pool starts at most max_size workers for requests that need a connection from it, when they are needed, and further
//! ones for connections in hand and for cancel requests; each ends after some seconds without work.

use std::ffi::{c_int, c_void};
use std::mem;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use super::completion::{LEAST_BYTES, holdfast_completion, put};
use crate::ffi::capi::boundary::growable;
use crate::ffi::capi::boundary::growable::Growing;
use crate::ffi::capi::boundary::guard::Out;
use crate::ffi::capi::boundary::guard::{Failure, Outcome, guard, milliseconds, or_default};
use crate::ffi::capi::boundary::handle::{free, handle, hold};
use crate::ffi::capi::library::error::holdfast_error;
use crate::ffi::capi::library::status::holdfast_status;
use crate::ffi::capi::pools::log::{UserData, holdfast_destroy};
use crate::ffi::capi::pools::silence::is_silent;
use crate::queue::{Callback, Queue};
use crate::sys::fork::Generation;
use crate::sys::{callback, cancellation};

/// A queue of completions. Free it with holdfast_queue_free.
pub struct holdfast_queue {
    _opaque: [u8; 0],
}

handle!(holdfast_queue: QueueHandle, b"hf-queue", stays_in_its_process = true);

pub struct QueueHandle {
    pub(in crate::ffi::capi) core: Arc<Queue>,
    born: Generation,
}

impl Drop for QueueHandle {
    fn drop(&mut self) {
        if self.born.is_past() {
            // Another thread of the parent may have held any of its locks.
            mem::forget(self.core.clone());
        } else {
            self.core.close();
        }
    }
}

/// The options of a queue. Set struct_size to sizeof(holdfast_queue_options) and all else to zero for the defaults.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct holdfast_queue_options {
    /// sizeof(holdfast_queue_options).
    pub struct_size: u32,
    /// The most requests that may be accepted and not yet drained; 0 for 1024.
    pub capacity: u32,
}

// SAFETY: repr(C), two u32.
unsafe impl Growing for holdfast_queue_options {}

const USUAL_CAPACITY: u32 = 1024;

/// The function a queue calls when completions wait.
pub type holdfast_ready_callback = Option<unsafe extern "C-unwind" fn(user_data: *mut c_void)>;

/// Makes a queue and puts it into *queue. options may be NULL for the defaults. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_queue_new(
    options: *const holdfast_queue_options,
    queue: *mut *mut holdfast_queue,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: `queue` is NULL or writable, `options` NULL or as large as it says.
        let (out, options) = unsafe {
            let read = |options| growable::read(options, "holdfast_queue_options");
            (Out::new(queue, "queue")?, (!options.is_null()).then(|| read(options)).transpose()?)
        };
        let capacity = options.map_or(0, |options| options.capacity);
        let capacity = if capacity == 0 { USUAL_CAPACITY } else { capacity };
        out.set(QueueHandle { core: Queue::new(capacity as usize), born: Generation::watch() });
        Ok(())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// A descriptor that is readable while completions wait, for poll, epoll and the like; -1 if the system has none left. It may
/// be readable for a moment when nothing waits. It belongs to the queue: only wait on it; holdfast_queue_drain makes it
/// unreadable when it has taken everything. It is made by the first call (an eventfd). Any thread; does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_queue_fd(queue: *const holdfast_queue) -> c_int {
    // SAFETY: the caller gives NULL or a live queue.
    or_default(-1, || Ok(unsafe { hold(queue)? }.core.descriptor().map_or(-1, |fd| fd.as_raw_fd())))
}

/// Calls callback whenever the queue was empty and is not any more. That is once for any number of completions until
/// holdfast_queue_drain has taken everything: drain until it returns less than asked for. It is called on threads of
/// the library, with no lock held, perhaps on several at the same time; it may drain and submit, but should only wake
/// the thread that does, since a worker waits for it. Calls in it that would block return HOLDFAST_STATUS_REENTRANT.
/// A second call replaces it. NULL ends it: when that returns, no call of it is under way or will come, and destroy was
/// called; inside a callback it returns at once. destroy, which may be NULL, is called once with user_data after the
/// last use. If this call fails, user_data stays with the caller. Completions that wait at this moment are not
/// announced: drain once after this call. Any thread; NULL blocks until the calls under way have returned, so a lock
/// that these wait for must not be held; all else does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_queue_on_ready(
    queue: *const holdfast_queue,
    callback: holdfast_ready_callback,
    user_data: *mut c_void,
    destroy: holdfast_destroy,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: `queue` is NULL or live.
        let queue = unsafe { hold(queue)? };
        let user_data = UserData::new(user_data, destroy);
        let ends = callback.is_none();
        let callback = callback.map(|callback| {
            // SAFETY: the program gave the function for this data.
            Callback::new(move || unsafe { callback(user_data.get()) })
        });
        let former = queue.core.on_ready(callback);
        if let Some(former) = former.filter(|_| ends) {
            former.end();
        }
        Ok(())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Ends all calls of the callback of holdfast_queue_on_ready, as NULL as callback does, but for a limit: when it returns
/// HOLDFAST_STATUS_OK, no call of it is under way on any thread, none will come, and destroy was called.
/// HOLDFAST_STATUS_BUSY if one is under way for longer than timeout_ms, as one that waits for a lock of this thread is: it is
/// the last, and destroy is called when it returns. The queue goes on; its descriptor and holdfast_queue_wait still work, and a
/// later holdfast_queue_on_ready sets a callback anew. holdfast_pool_silence does the same for a pool. Any thread; blocks for at
/// most timeout_ms. HOLDFAST_STATUS_REENTRANT inside a callback.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_queue_silence(
    queue: *const holdfast_queue,
    timeout_ms: u64,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: `queue` is NULL or live.
        let queue = unsafe { hold(queue)? };
        Failure::if_in_callback()?;
        let former = queue.core.on_ready(None);
        is_silent(former.is_none_or(|former| former.end_within(milliseconds(timeout_ms))))
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Takes up to most completions into the array out, those done first first, and returns how many. completion_size is
/// sizeof(holdfast_completion), of the header that the caller was compiled with: what a later version has beyond it is freed.
/// The handles in them belong to the caller. Any thread; never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_queue_drain(
    queue: *const holdfast_queue,
    out: *mut holdfast_completion,
    most: usize,
    completion_size: usize,
) -> usize {
    or_default(0, || {
        // SAFETY: the caller gives NULL or a live queue.
        let queue = unsafe { hold(queue)? };
        // Only completions that the caller has room for may be taken.
        if out.is_null() || completion_size < LEAST_BYTES {
            return Ok(0);
        }
        let taken = queue.core.drain(most);
        let count = taken.len();
        for (index, completion) in taken.into_iter().enumerate() {
            // SAFETY: `out` has room for `most` structs of `completion_size` bytes, and no more were taken.
            unsafe { put(out.cast::<u8>().add(index * completion_size), completion_size, completion) };
        }
        Ok(count)
    })
}

/// Waits until a completion waits: true; false if none does within timeout_ms. Blocks for at most that, and inside a
/// callback of the library not at all. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_queue_wait(queue: *const holdfast_queue, timeout_ms: u64) -> bool {
    or_default(false, || {
        // SAFETY: the caller gives NULL or a live queue.
        let queue = unsafe { hold(queue)? };
        let timeout_ms = if callback::is_running() { 0 } else { timeout_ms };
        let _held_off = cancellation::hold_off();
        Ok(queue.core.wait(milliseconds(timeout_ms)))
    })
}

/// The number of requests accepted and not yet drained, where one in parts counts as often as it may have completions; 0 for
/// NULL. Any thread; does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_queue_pending(queue: *const holdfast_queue) -> usize {
    // SAFETY: the caller gives NULL or a live queue.
    or_default(0, || Ok(unsafe { hold(queue)? }.core.pending()))
}

/// Cancels the request of this number. One that still waits ends with HOLDFAST_STATUS_CANCELED at once; one that waits
/// for a connection to be opened does, too, and the connection goes to the next request. For one that runs the server
/// is asked to cancel it: it may still end well. Either way it has exactly one completion. One that is over is left
/// alone. HOLDFAST_STATUS_ARGUMENT if the queue never gave out this number. Any thread; does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_request_cancel(
    queue: *const holdfast_queue,
    request: u64,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || -> Outcome {
        // SAFETY: `queue` is NULL or live.
        let queue = unsafe { hold(queue)? };
        if queue.core.cancel(request) {
            Ok(())
        } else {
            Err(Failure::argument(format!("this queue has never had a request {request}")))
        }
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Frees a queue. NULL is allowed. Completions that wait are freed with what they hold, requests that do not run yet are
/// dropped, and the results of those that run will be. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_queue_free(queue: *mut holdfast_queue) {
    // SAFETY: the caller gives NULL or a live queue, and does not use it again.
    unsafe { free(queue) }
}
