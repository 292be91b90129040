//! Submitting for rows in portions.
//!
//! For results larger than memory, in threads that must not wait: a stream is opened on a connection in hand, and each
//! portion is a request of its own. The next rows are read from the server only when a portion is submitted for, so the
//! program sets the pace, and the server is held back meanwhile. Two or more portions submitted for at a time have the
//! next one read while the program works on the last.
//!
//! These requests run in order with all others of the connection (see above), which it must be while a stream is open on it:
//! other statements end with HOLDFAST_STATUS_MISUSE until the stream has ended or was freed. Cancelling a portion has the
//! server cancel the statement, and so ends the stream.

use std::ffi::c_char;

use super::completion::Given;
use super::queue::holdfast_queue;
use super::submit::{copied, holdfast_submit_options};
use super::submit_connection::{step, submit_held};
use super::submit_options::Options;
use crate::ffi::capi::boundary::guard::guard;
use crate::ffi::capi::boundary::handle::hold;
use crate::ffi::capi::connections::connection::holdfast_connection;
use crate::ffi::capi::library::error::holdfast_error;
use crate::ffi::capi::library::status::holdfast_status;
use crate::ffi::capi::statements::query::{What, holdfast_param};
use crate::ffi::capi::statements::stream::{Stream, check_rows, holdfast_stream};
use crate::queue::{Answer, Kind};

/// Submits a statement whose rows are read in portions, for a connection in hand, as holdfast_connection_stream does it;
/// completion.stream, whose columns are known. deadline_ms of the options is for the beginning of the statement only. If the
/// queue is freed before the completion was drained, the stream ends as by holdfast_stream_free.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_submit_connection_stream(
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
    // SAFETY: `connection` and `queue` are NULL or live, `request` NULL or writable; text, parameters, options are readable as
    // they say.
    let body = || unsafe {
        let options = Options::read_unpacked(options)?;
        let query = copied(What::Text(sql, sql_len), params, nparams, &options)?;
        let held = hold(connection.cast_const())?;
        let watched = held.watch();
        let task = step(move |raw| {
            let cursor = query.run_with(|sql, params, format| raw.open_stream(sql, params, format))?;
            Ok(Given::Stream(Stream::new(watched, cursor)).into())
        });
        submit_held(held, queue, options.submission(tag, Kind::ConnectionStream, task), request)
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Submits for the next rows of a stream, as holdfast_stream_next reads them: at least one and at most max_rows, which is not
/// 0; completion.result, or completion.pack with pack=1 of the options. Both are NULL at the end, with HOLDFAST_STATUS_OK, also
/// for what was submitted beyond it. After a failure, further ones fail too. deadline_ms of the options is for these rows; the
/// connection is lost when it passes. The stream may have been opened by holdfast_connection_stream as well, and may be freed
/// while requests of it wait: they run first. HOLDFAST_STATUS_BUSY if another thread is in a call on the connection,
/// HOLDFAST_STATUS_MISUSE if the connection was given back.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_submit_stream_next(
    stream: *mut holdfast_stream,
    queue: *const holdfast_queue,
    tag: u64,
    options: *const holdfast_submit_options,
    max_rows: usize,
    request: *mut u64,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    // SAFETY: `stream` and `queue` are NULL or live, `request` NULL or writable; the options are NULL or as large as they say.
    let body = || unsafe {
        let options = Options::read_in_hand(options)?;
        check_rows(max_rows)?;
        let stream = hold(stream.cast_const())?;
        let held = stream.cursor.connection::<holdfast_stream>()?;
        let (stream, pack) = (stream.keep(), options.pack);
        let task = step(move |raw| {
            let next = stream.cursor.step(raw, |cursor, raw| stream.take(cursor, raw, max_rows))?;
            next.map_or(Ok(Answer::Done), |block| Answer::to_query(block, pack))
        });
        submit_held(held, queue, options.submission(tag, Kind::StreamNext, task), request)
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}
