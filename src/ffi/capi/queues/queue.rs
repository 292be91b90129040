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
use std::mem::{self, size_of};
use std::os::fd::AsRawFd;
use std::ptr;
use std::sync::Arc;

use crate::ffi::capi::boundary::growable;
use crate::ffi::capi::boundary::growable::Growing;
use crate::ffi::capi::boundary::guard::Out;
use crate::ffi::capi::boundary::guard::{Failure, Outcome, guard, micros, milliseconds, or_default};
use crate::ffi::capi::boundary::handle::{free, give, handle, hold};
use crate::ffi::capi::connections::connection::{CheckedOut, holdfast_connection};
use crate::ffi::capi::library::error::holdfast_error;
use crate::ffi::capi::library::status::{self, holdfast_status};
use crate::ffi::capi::pools::log::{UserData, holdfast_destroy};
use crate::ffi::capi::results::pack::{Pack, holdfast_pack};
use crate::ffi::capi::results::result::{Block, Blocks, holdfast_result, holdfast_results};
use crate::ffi::capi::statements::pipeline::{Outcomes, holdfast_outcomes};
use crate::queue::{Answer, Callback, Completion, Kind, Queue, Trouble};
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

/// As holdfast_completion.kind: which function the request was submitted with.
pub const HOLDFAST_SUBMIT_QUERY: i32 = 1;
/// holdfast_submit_execute.
pub const HOLDFAST_SUBMIT_EXECUTE: i32 = 2;
/// holdfast_submit_acquire.
pub const HOLDFAST_SUBMIT_ACQUIRE: i32 = 3;
/// holdfast_submit_transaction.
pub const HOLDFAST_SUBMIT_TRANSACTION: i32 = 4;
/// holdfast_submit_connection_query.
pub const HOLDFAST_SUBMIT_CONNECTION_QUERY: i32 = 5;
/// holdfast_submit_connection_script.
pub const HOLDFAST_SUBMIT_CONNECTION_SCRIPT: i32 = 6;
/// holdfast_submit_pipeline.
pub const HOLDFAST_SUBMIT_PIPELINE: i32 = 7;
/// holdfast_submit_connection_execute.
pub const HOLDFAST_SUBMIT_CONNECTION_EXECUTE: i32 = 8;
/// holdfast_submit_connection_pipeline.
pub const HOLDFAST_SUBMIT_CONNECTION_PIPELINE: i32 = 9;
/// holdfast_submit_connection_begin.
pub const HOLDFAST_SUBMIT_CONNECTION_BEGIN: i32 = 10;
/// holdfast_submit_connection_commit.
pub const HOLDFAST_SUBMIT_CONNECTION_COMMIT: i32 = 11;
/// holdfast_submit_connection_rollback.
pub const HOLDFAST_SUBMIT_CONNECTION_ROLLBACK: i32 = 12;

/// The completion of a request. On success the handles that the request was for are set, else error is; the receiver
/// frees them.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct holdfast_completion {
    /// The user_data given with the request.
    pub tag: u64,
    /// The request's number.
    pub request: u64,
    /// As the blocking call would have returned it.
    pub status: holdfast_status,
    /// A HOLDFAST_SUBMIT_ constant.
    pub kind: i32,
    /// The rows of a single statement. Free it with holdfast_result_free.
    pub result: *mut holdfast_result,
    /// The results of a script, one for each statement. Free it with holdfast_results_free.
    pub results: *mut holdfast_results,
    /// The outcomes of a pipeline, one for each statement. Free it with holdfast_outcomes_free.
    pub outcomes: *mut holdfast_outcomes,
    /// The pack of a single statement with a packed result. Free it with holdfast_pack_free.
    pub pack: *mut holdfast_pack,
    /// The connection of holdfast_submit_acquire: give it back with holdfast_connection_release.
    pub connection: *mut holdfast_connection,
    /// The error, or NULL. Free it with holdfast_error_free.
    pub error: *mut holdfast_error,
    /// The time it waited until it ran, in microseconds: for its turn, and for a connection.
    pub queued_us: u64,
    /// The time it ran, in microseconds.
    pub running_us: u64,
}

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

/// Takes up to most completions into the array out, those done first first, and returns how many. completion_size is
/// sizeof(holdfast_completion). The handles in them belong to the caller. Any thread; never blocks.
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
        if out.is_null() || completion_size < size_of::<holdfast_completion>() {
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

/// # Safety
/// `place` is writable for `size` bytes, at least as many as the struct has.
unsafe fn put(place: *mut u8, size: usize, completion: Completion) {
    let known = size_of::<holdfast_completion>();
    let described = described(completion);
    // SAFETY: as promised; what the caller's struct has beyond ours is zeroed.
    unsafe {
        ptr::copy_nonoverlapping((&raw const described).cast::<u8>(), place, known);
        ptr::write_bytes(place.add(known), 0, size - known);
    }
}

fn described(completion: Completion) -> holdfast_completion {
    let mut told = holdfast_completion {
        tag: completion.tag,
        request: completion.request,
        status: status::HOLDFAST_STATUS_OK,
        kind: kind(completion.kind),
        result: ptr::null_mut(),
        results: ptr::null_mut(),
        outcomes: ptr::null_mut(),
        pack: ptr::null_mut(),
        connection: ptr::null_mut(),
        error: ptr::null_mut(),
        queued_us: micros(completion.queued),
        running_us: micros(completion.running),
    };
    match completion.outcome {
        Ok(Answer::Result(block)) => told.result = give(Block::new(block)),
        Ok(Answer::Results(blocks)) => told.results = give(Blocks::new(blocks)),
        Ok(Answer::Pack(pack)) => told.pack = give(Pack::aligned(pack)),
        Ok(Answer::Outcomes(outcomes, target)) => told.outcomes = give(Outcomes::new(outcomes, &target)),
        Ok(Answer::Connection(conn)) => told.connection = give(CheckedOut::new(conn)),
        Ok(Answer::Done) => {}
        Err(trouble) => {
            let failure = match trouble {
                Trouble::Error(error) => Failure::Core(error),
                Trouble::Panic(payload) => Failure::panic(&*payload),
                Trouble::Given(said) => said
                    .downcast()
                    .map_or_else(|_| unreachable!("bodies of transactions say it so"), |failure| *failure),
            };
            told.status = status::of_failure(&failure);
            told.error = failure.into_object();
        }
    }
    told
}

fn kind(kind: Kind) -> i32 {
    match kind {
        Kind::Query => HOLDFAST_SUBMIT_QUERY,
        Kind::Execute => HOLDFAST_SUBMIT_EXECUTE,
        Kind::Acquire => HOLDFAST_SUBMIT_ACQUIRE,
        Kind::Transaction => HOLDFAST_SUBMIT_TRANSACTION,
        Kind::Pipeline => HOLDFAST_SUBMIT_PIPELINE,
        Kind::ConnectionQuery => HOLDFAST_SUBMIT_CONNECTION_QUERY,
        Kind::ConnectionScript => HOLDFAST_SUBMIT_CONNECTION_SCRIPT,
        Kind::ConnectionExecute => HOLDFAST_SUBMIT_CONNECTION_EXECUTE,
        Kind::ConnectionPipeline => HOLDFAST_SUBMIT_CONNECTION_PIPELINE,
        Kind::ConnectionBegin => HOLDFAST_SUBMIT_CONNECTION_BEGIN,
        Kind::ConnectionCommit => HOLDFAST_SUBMIT_CONNECTION_COMMIT,
        Kind::ConnectionRollback => HOLDFAST_SUBMIT_CONNECTION_ROLLBACK,
    }
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

/// The number of requests accepted and not yet drained; 0 for NULL. Any thread; does not block.
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
