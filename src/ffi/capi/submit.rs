//! Submitting.
//!
//! All of these return at once, never wait, and copy what they are given. If they succeed, exactly one completion with the
//! tag will be in the queue; if they fail, none. HOLDFAST_STATUS_QUEUE_FULL if the queue has as many requests as it takes,
//! HOLDFAST_STATUS_POOL_CLOSED if the pool is closed. Where options may be NULL, that means the defaults. The number of the
//! request, which holdfast_request_cancel takes, is put into *request if request is not NULL.

use std::ffi::c_char;
use std::sync::Arc;

use super::connection::holdfast_connection;
use super::error::holdfast_error;
use super::guard::{Failure, Outcome, guard, milliseconds};
use super::handle::hold;
use super::pool::{count, holdfast_pool};
use super::query::{holdfast_param, parameters, result_format};
use super::queue::holdfast_queue;
use super::status::{self, holdfast_status};
use super::structs::{self, Growing};
use super::text::text;
use crate::queue::{Input, Kind, Refused, Seat, Submission, Task, Ticket, Work};
use crate::session::ResultFormat;

/// How a request is to be done. Set struct_size and all else to zero for the defaults.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct holdfast_submit_options {
    /// sizeof(holdfast_submit_options).
    pub struct_size: u32,
    /// How often a failed attempt to open a connection is repeated; 0 as configured (retry_max), HOLDFAST_NO_RETRY never.
    pub retries: i32,
    /// Limit in milliseconds for getting a connection, counted from the submission: waiting for a turn, queueing, opening,
    /// retries and the waits between them; 0 for none but that of each attempt (connection_timeout). Connections in hand
    /// have no such limit.
    pub timeout_ms: u64,
    /// Limit in milliseconds for the statement, from when it runs; 0 for the connection's own (statement_deadline).
    pub deadline_ms: u64,
    /// A HOLDFAST_FORMAT_ constant.
    pub result_format: i32,
    /// Must be 0 in this version.
    pub pack: i32,
}

// SAFETY: repr(C); u32, i32, two u64, two i32: no padding.
unsafe impl Growing for holdfast_submit_options {}

/// Options as the core knows them.
struct Options {
    retries: Option<u32>,
    timeout: Option<std::time::Duration>,
    deadline: Option<std::time::Duration>,
    format: ResultFormat,
}

impl Options {
    /// # Safety
    /// `options` is NULL or as large as its `struct_size` says.
    unsafe fn read(options: *const holdfast_submit_options) -> Outcome<Self> {
        const NAME: &str = "holdfast_submit_options";
        if options.is_null() {
            return Ok(Self { retries: None, timeout: None, deadline: None, format: ResultFormat::Text });
        }
        // SAFETY: as promised.
        let options = unsafe { structs::read(options, NAME)? };
        if options.pack != 0 {
            return Err(Failure::argument(format!("{NAME}: pack cannot be {}", options.pack)));
        }
        let limit = |ms: u64| (ms != 0).then(|| milliseconds(ms));
        Ok(Self {
            retries: count(options.retries, "holdfast_submit_options: retries")?,
            timeout: limit(options.timeout_ms),
            deadline: limit(options.deadline_ms),
            format: result_format(options.result_format)?,
        })
    }

    fn submission(self, tag: u64, kind: Kind, task: Task) -> Submission {
        let Self { retries, timeout, deadline, format: _ } = self;
        Submission { tag, kind, task, timeout, retries, deadline }
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Closed(error) => Self::Core(error),
            Refused::Busy => Self::busy("connection"),
            Refused::Full => Self::new(
                status::HOLDFAST_STATUS_QUEUE_FULL,
                "the queue has as many requests as it takes: drain it, or make it with a larger capacity",
            ),
            Refused::NoThread(e) => {
                Self::new(status::HOLDFAST_STATUS_QUEUE_FULL, format!("no thread could be started: {e}"))
            }
        }
    }
}

/// # Safety
/// `place` is NULL or writable.
unsafe fn tell(place: *mut u64, number: u64) {
    if !place.is_null() {
        // SAFETY: writable, as promised.
        unsafe { place.write(number) };
    }
}

/// Submits one statement for any connection of the pool, as holdfast_pool_query does it; completion.result. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn holdfast_submit_query(
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
    let body = || {
        // SAFETY: `pool` and `queue` are NULL or live; text, parameters, options are readable as they say.
        let (pool, queue, options, sql, params) = unsafe {
            let params = parameters(params, nparams)?;
            (hold(pool)?, hold(queue)?, Options::read(options)?, text(sql, sql_len, "sql")?, params)
        };
        let work = Work::Query { input: Input::new(sql, &params), format: options.format };
        let submission = options.submission(tag, Kind::Query, Task::Run(work));
        let number = Ticket::submit(&queue.core, &pool.core.lender(), submission)?;
        // SAFETY: `request` is NULL or writable.
        unsafe { tell(request, number) };
        Ok(())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Asks for a connection, as holdfast_pool_acquire does; completion.connection. It counts as lent while its completion
/// waits. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn holdfast_submit_acquire(
    pool: *const holdfast_pool,
    queue: *const holdfast_queue,
    tag: u64,
    options: *const holdfast_submit_options,
    request: *mut u64,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: `pool` and `queue` are NULL or live, `options` NULL or as large as it says.
        let (pool, queue, options) = unsafe { (hold(pool)?, hold(queue)?, Options::read(options)?) };
        let submission = options.submission(tag, Kind::Acquire, Task::Acquire);
        let number = Ticket::submit(&queue.core, &pool.core.lender(), submission)?;
        // SAFETY: `request` is NULL or writable.
        unsafe { tell(request, number) };
        Ok(())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Submits one statement for a connection in hand, as holdfast_connection_query does it; completion.result. What was
/// submitted to a connection runs in that order, one after the other, however many connections other requests wait for.
/// Until all of it is done, calls that use the connection return HOLDFAST_STATUS_BUSY, and so does this one while such a
/// call is under way.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn holdfast_submit_connection_query(
    connection: *mut holdfast_connection,
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
    let body = || {
        // SAFETY: text and parameters are readable as they say, `options` is NULL or as large as it says.
        let (options, sql, params) =
            unsafe { (Options::read(options)?, text(sql, sql_len, "sql")?, parameters(params, nparams)?) };
        let work = Work::Query { input: Input::new(sql, &params), format: options.format };
        let submission = options.submission(tag, Kind::ConnectionQuery, Task::Run(work));
        // SAFETY: `connection` and `queue` are NULL or live, `request` is NULL or writable.
        unsafe { submit_on(connection, queue, submission, request) }
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Submits a text of one or more statements for a connection in hand, as holdfast_connection_script does it;
/// completion.results. Else as holdfast_submit_connection_query.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn holdfast_submit_connection_script(
    connection: *mut holdfast_connection,
    queue: *const holdfast_queue,
    tag: u64,
    options: *const holdfast_submit_options,
    sql: *const c_char,
    sql_len: usize,
    request: *mut u64,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: the text is readable as it says, `options` is NULL or as large as it says.
        let (options, sql) = unsafe { (Options::read(options)?, text(sql, sql_len, "sql")?) };
        let work = Work::Script { input: Input::new(sql, &[]) };
        let submission = options.submission(tag, Kind::ConnectionScript, Task::Run(work));
        // SAFETY: `connection` and `queue` are NULL or live, `request` is NULL or writable.
        unsafe { submit_on(connection, queue, submission, request) }
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// # Safety
/// `connection` and `queue` are NULL or live, `request` is NULL or writable.
unsafe fn submit_on(
    connection: *mut holdfast_connection,
    queue: *const holdfast_queue,
    submission: Submission,
    request: *mut u64,
) -> Outcome {
    // SAFETY: as promised.
    let (connection, queue) = unsafe { (hold(connection.cast_const())?, hold(queue)?) };
    let seat: Arc<dyn Seat> = connection.keep();
    let number = Ticket::submit_on(&queue.core, &seat, submission)?;
    // SAFETY: as promised.
    unsafe { tell(request, number) };
    Ok(())
}
