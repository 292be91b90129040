//! Submitting.
//!
//! All of these return at once, never wait, and copy what they are given. If they succeed, exactly one completion with the
//! tag will be in the queue (and others before it of a pipeline in parts); if they fail, none. HOLDFAST_STATUS_QUEUE_FULL if
//! the queue has as many requests as it takes, HOLDFAST_STATUS_POOL_CLOSED if the pool is closed. Where options may be NULL,
//! that means the defaults. The number of the request, which holdfast_request_cancel takes, is put into *request if request
//! is not NULL.

use std::ffi::{c_char, c_void};
use std::sync::Arc;

use super::queue::holdfast_queue;
use super::submit_options::Options;
use crate::ffi::capi::boundary::growable::Growing;
use crate::ffi::capi::boundary::guard::{Failure, Outcome, guard};
use crate::ffi::capi::boundary::handle::hold;
use crate::ffi::capi::connections::connection::CheckedOut;
use crate::ffi::capi::connections::transaction::{
    BODY, holdfast_transaction_body, holdfast_transaction_options, run_body, transaction_options,
};
use crate::ffi::capi::library::error::holdfast_error;
use crate::ffi::capi::library::status::{self, holdfast_status};
use crate::ffi::capi::library::text::text;
use crate::ffi::capi::pools::log::{UserData, holdfast_destroy};
use crate::ffi::capi::pools::pool::holdfast_pool;
use crate::ffi::capi::pools::silence::{Callbacks, PoolGate, silenced};
use crate::ffi::capi::statements::pipeline::{self, Batch, holdfast_request};
use crate::ffi::capi::statements::query::{Arguments, What, holdfast_param};
use crate::ffi::capi::statements::statement::holdfast_statement;
use crate::queue::{Input, Kind, Query, Rejected, Submission, Task, Ticket, Trouble, Work};
use crate::sys::gate::Passed;

/// The options of a request. Set struct_size and all else to zero for the defaults.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct holdfast_submit_options {
    /// sizeof(holdfast_submit_options).
    pub struct_size: u32,
    /// The most retries of a failed attempt to open a connection; 0 as configured (retry_max), HOLDFAST_NO_RETRY never.
    pub retries: i32,
    /// Limit in milliseconds for getting a connection, counted from the submission: waiting for a turn, queueing, opening,
    /// retries and the waits between them; 0 for none but that of each attempt (connection_timeout). Connections in hand
    /// have no such limit.
    pub timeout_ms: u64,
    /// Limit in milliseconds for the statement, from when it runs or as deadline_covers_wait says; 0 for the connection's own
    /// (statement_deadline).
    pub deadline_ms: u64,
    /// A HOLDFAST_FORMAT_ constant. Of a pipeline each request says that for itself.
    pub result_format: i32,
    /// 1 to have the result of a single statement packed by the thread that ran it, so that completion.pack is set instead of
    /// completion.result; else 0.
    pub pack: i32,
    /// 1 if the statement may be repeated, as holdfast_acquire_options.idempotent says; else 0. For a single statement that is
    /// submitted to a pool.
    pub idempotent: i32,
    /// 1 to count deadline_ms from the submission, so that it is the limit of the whole: waiting for a turn, getting a connection,
    /// for which it is the limit if timeout_ms is none or longer, and the statement with what is left; else 0.
    pub deadline_covers_wait: i32,
    /// 1 to have the outcome of each statement of a pipeline in a completion of its own as it comes, before the last completion of
    /// the request; else 0. See holdfast_submit_pipeline.
    pub in_parts: i32,
    /// 1 to have what the server remarks while the request runs (WARNING, NOTICE and the like) in completion.notices; else 0. Such
    /// a request is never sent together with others. Not for connections and transactions.
    pub notices: i32,
}

// SAFETY: repr(C); u32, i32, two u64, six i32: no padding.
unsafe impl Growing for holdfast_submit_options {}

impl From<Rejected> for Failure {
    fn from(refused: Rejected) -> Self {
        match refused {
            Rejected::Closed(error) | Rejected::Shed(error) => Self::Core(error),
            Rejected::Busy => Self::busy("connection"),
            Rejected::Full => Self::new(
                status::HOLDFAST_STATUS_QUEUE_FULL,
                "the queue has as many requests as it takes: drain it, or make it with a larger capacity",
            ),
            Rejected::NoThread(e) => {
                Self::new(status::HOLDFAST_STATUS_QUEUE_FULL, format!("no thread could be started: {e}"))
            }
        }
    }
}

/// # Safety
/// `place` is NULL or writable.
pub(in crate::ffi::capi) unsafe fn tell(place: *mut u64, number: u64) {
    if !place.is_null() {
        // SAFETY: writable, as promised.
        unsafe { place.write(number) };
    }
}

/// A statement as C gave it, copied.
///
/// # Safety
/// The pointers are as `What` says, `params` NULL or readable for `nparams` parameters.
pub(super) unsafe fn copied(
    what: What,
    params: *const holdfast_param,
    nparams: usize,
    options: &Options,
) -> Outcome<Query> {
    // The format is that of the options.
    let given = Arguments { what, params, nparams, result_format: 0 };
    // SAFETY: as promised.
    let given = unsafe { given.read()? };
    Ok(Query::new(given.sql(), &given.params, options.format))
}

/// The same as the work of a request.
///
/// # Safety
/// As for [`copied`].
pub(super) unsafe fn single(
    what: What,
    params: *const holdfast_param,
    nparams: usize,
    options: &Options,
) -> Outcome<Task> {
    // SAFETY: as promised.
    let query = unsafe { copied(what, params, nparams, options)? };
    Ok(Task::Run(Work::Query { query, pack: options.pack, idempotent: options.idempotent }))
}

/// The statements of a pipeline as C gave them, copied.
///
/// # Safety
/// As for [`Batch::read`].
pub(in crate::ffi::capi) unsafe fn several(
    requests: *const holdfast_request,
    count: usize,
    mode: i32,
    options: &Options,
) -> Outcome<Task> {
    let mode = pipeline::mode(mode)?;
    // SAFETY: as promised.
    let batch = unsafe { Batch::read(requests, count)? };
    let requests = batch.requests();
    let queries = requests.iter().map(|r| Query::new(r.sql, r.params, r.format)).collect();
    Ok(Task::Run(Work::Pipeline { queries, mode, in_parts: options.in_parts }))
}

/// A text of several statements as C gave it, copied.
///
/// # Safety
/// `sql` is readable up to its length or NUL.
pub(super) unsafe fn script(sql: *const c_char, sql_len: usize) -> Outcome<Task> {
    // SAFETY: as promised.
    let sql = unsafe { text(sql, sql_len, "sql")? };
    Ok(Task::Run(Work::Script { input: Input::new(sql, &[]) }))
}

/// # Safety
/// `pool` and `queue` are NULL or live, `request` is NULL or writable.
unsafe fn submit_to(
    pool: *const holdfast_pool,
    queue: *const holdfast_queue,
    submission: Submission,
    request: *mut u64,
) -> Outcome {
    // SAFETY: as promised.
    let (pool, queue) = unsafe { (hold(pool)?, hold(queue)?) };
    let number = Ticket::submit(&queue.core, &pool.core.checkout_handle(), submission)?;
    // SAFETY: as promised.
    unsafe { tell(request, number) };
    Ok(())
}

/// Submits one statement for any connection of the pool, as holdfast_pool_query does it; completion.result. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_submit_query(
    pool: *const holdfast_pool,
    queue: *const holdfast_queue,
    tag: u64,
    options: *const holdfast_submit_options,
    sql: *const c_char,
    sql_len: usize,
    params: *const holdfast_param,
    nparams: usize,
    request: *mut u64,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    // SAFETY: `pool` and `queue` are NULL or live, `request` NULL or writable; text, parameters, options are readable as they
    // say.
    let body = || unsafe {
        let options = Options::read_whole(options)?;
        let task = single(What::Text(sql, sql_len), params, nparams, &options)?;
        submit_to(pool, queue, options.submission(tag, Kind::Query, task), request)
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Submits a prepared statement for any connection of the pool, as holdfast_pool_execute does it; completion.result. Any
/// thread.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_submit_execute(
    pool: *const holdfast_pool,
    queue: *const holdfast_queue,
    tag: u64,
    options: *const holdfast_submit_options,
    statement: *const holdfast_statement,
    params: *const holdfast_param,
    nparams: usize,
    request: *mut u64,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    // SAFETY: `pool`, `queue` and `statement` are NULL or live, `request` NULL or writable; parameters and options are
    // readable as they say.
    let body = || unsafe {
        let options = Options::read_whole(options)?;
        let task = single(What::Statement(statement), params, nparams, &options)?;
        submit_to(pool, queue, options.submission(tag, Kind::Execute, task), request)
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Submits a text of one or more statements for any connection of the pool, as holdfast_connection_script does it;
/// completion.results. Session settings that it makes stay with that connection. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_submit_script(
    pool: *const holdfast_pool,
    queue: *const holdfast_queue,
    tag: u64,
    options: *const holdfast_submit_options,
    sql: *const c_char,
    sql_len: usize,
    request: *mut u64,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    // SAFETY: `pool` and `queue` are NULL or live, `request` NULL or writable; text and options are readable as they say.
    let body = || unsafe {
        let (options, task) = (Options::read_unpacked(options)?, script(sql, sql_len)?);
        submit_to(pool, queue, options.submission(tag, Kind::Script, task), request)
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Submits count statements to be sent at once on any connection of the pool, as holdfast_connection_pipeline does it;
/// completion.outcomes. With HOLDFAST_PIPELINE_TOGETHER they are a transaction. Any thread.
///
/// With in_parts=1 of the options the outcomes come one by one instead, in order, each in a completion with more=1, the number of
/// its statement as index, and result, or error and status: with HOLDFAST_PIPELINE_SEPARATE as soon as the server's reply has
/// come, with HOLDFAST_PIPELINE_TOGETHER when the transaction was committed or has failed, since nothing is certain before. A
/// last completion with more=0 ends the request; its status is what holdfast_connection_pipeline returns. If that is a failure,
/// of a lost connection for example, what came before it stands, and what became of the other statements is unknown. A request
/// in parts takes as much of the queue's capacity as it may have completions: one more than statements.
/// HOLDFAST_STATUS_QUEUE_FULL if there is no room for them.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_submit_pipeline(
    pool: *const holdfast_pool,
    queue: *const holdfast_queue,
    tag: u64,
    options: *const holdfast_submit_options,
    requests: *const holdfast_request,
    count: usize,
    mode: i32,
    request: *mut u64,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    // SAFETY: `pool` and `queue` are NULL or live, `request` NULL or writable; requests and options are readable as they say.
    let body = || unsafe {
        let options = Options::read_for_pipeline(options)?;
        let task = several(requests, count, mode, &options)?;
        submit_to(pool, queue, options.submission(tag, Kind::Pipeline, task), request)
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Asks for a connection, as holdfast_pool_acquire does; completion.connection. It counts as checked out while its
/// completion waits. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_submit_acquire(
    pool: *const holdfast_pool,
    queue: *const holdfast_queue,
    tag: u64,
    options: *const holdfast_submit_options,
    request: *mut u64,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    // SAFETY: `pool` and `queue` are NULL or live, `options` NULL or as large as it says, `request` NULL or writable.
    let body = || unsafe {
        let options = Options::read_without_statement(options)?;
        submit_to(pool, queue, options.submission(tag, Kind::Acquire, Task::Acquire), request)
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Submits a transaction, which a thread of the library runs as holdfast_pool_transaction does: body is called there, perhaps
/// several times, and may block in calls that use its connection. completion.status is what holdfast_pool_transaction would
/// have returned, completion.error its error; there is nothing else, so body leaves its results at user_data. options are
/// about getting connections: their deadline_ms must be 0, since timeout_ms of transaction_options is the limit of the whole,
/// from when it runs first. destroy, which may be NULL, is called once with user_data after the last use, perhaps after the
/// completion was drained; if this call fails, user_data stays with the caller, and destroy is not called. Cancelling it has
/// the server cancel what its body runs, or keeps it from being run again, but does nothing once COMMIT was sent. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_submit_transaction(
    pool: *const holdfast_pool,
    queue: *const holdfast_queue,
    tag: u64,
    options: *const holdfast_submit_options,
    transaction_options: *const holdfast_transaction_options,
    body: holdfast_transaction_body,
    user_data: *mut c_void,
    destroy: holdfast_destroy,
    request: *mut u64,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let whole = || {
        // SAFETY: the options are NULL or as large as they say.
        let (options, wanted) = unsafe {
            (Options::read_without_statement(options)?, self::transaction_options(transaction_options)?)
        };
        if options.deadline.is_some() {
            let words = "holdfast_submit_options: deadline_ms must be 0 for a transaction; give timeout_ms of its own options";
            return Err(Failure::argument(words));
        }
        let body = body.ok_or_else(|| Failure::null("body"))?;
        // SAFETY: `pool` is NULL or live.
        let gate = unsafe { hold(pool)? }.gate.clone();
        let user_data = Arc::new(UserData::new(user_data, destroy));
        let kept = user_data.clone();
        let data = BodyData { user_data: Some(user_data), gate };
        let run = move |conn| {
            let (_passed, user_data) = data.pass().ok_or_else(|| given(silenced()))?;
            // SAFETY: the program gave the function for this data.
            let came = run_body(BODY, CheckedOut::to_body(conn), |checkout, error| unsafe {
                body(user_data.get(), checkout, error)
            });
            came.map(|(conn, outcome)| (conn, outcome.map_err(given))).map_err(given)
        };
        let task = Task::Transaction { options: wanted, body: Box::new(run) };
        // SAFETY: `pool` and `queue` are NULL or live, `request` NULL or writable.
        let submitted =
            unsafe { submit_to(pool, queue, options.submission(tag, Kind::Transaction, task), request) };
        submitted.inspect_err(|_| kept.keep())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, whole) }
}

/// What the body of a transaction is called with. Once its pool was silenced, nothing is called with it, destroy neither.
struct BodyData {
    /// There until this is dropped.
    user_data: Option<Arc<UserData>>,
    gate: PoolGate,
}

impl BodyData {
    fn pass(&self) -> Option<(Arc<Passed<Callbacks>>, &UserData)> {
        Some((self.gate.pass()?, self.user_data.as_deref()?))
    }
}

impl Drop for BodyData {
    fn drop(&mut self) {
        let passed = self.gate.pass();
        let user_data = self.user_data.take();
        if let (None, Some(data)) = (&passed, &user_data) {
            data.keep();
        }
        drop(user_data);
    }
}

/// The error of a body, on its way through the queue.
fn given(failure: Failure) -> Trouble {
    Trouble::Given(Box::new(failure))
}
