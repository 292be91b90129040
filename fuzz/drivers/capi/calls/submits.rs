//! Calls that submit, and what goes with that.

use std::ptr;

use super::callbacks;
use super::runs::{Params, format, requests, sql, transaction_options};
use super::tables::{Kind, Place, Tables};
use crate::ffi::capi::connections::connection::holdfast_connection;
use crate::ffi::capi::library::status::*;
use crate::ffi::capi::library::text::HOLDFAST_NUL;
use crate::ffi::capi::pools::pool::*;
use crate::ffi::capi::queues::completion::*;
use crate::ffi::capi::queues::queue::*;
use crate::ffi::capi::queues::submit::*;
use crate::ffi::capi::queues::submit_close::*;
use crate::ffi::capi::queues::submit_connection::*;
use crate::ffi::capi::queues::submit_copy::*;
use crate::ffi::capi::queues::submit_stream::*;
use crate::ffi::capi::statements::copy::holdfast_chunk_free;
use crate::testing::fuzzing::Draws;

pub(super) fn call(tables: &mut Tables, which: u8, draws: &mut Draws<'_>) {
    match which % 12 {
        0 => submit_single(tables, draws),
        1 => submit_acquire(tables, draws),
        2 => submit_pipeline(tables, draws),
        3 => submit_transaction(tables, draws),
        4 | 5 => submit_single_to_connection(tables, draws),
        6 | 7 => submit_other_to_connection(tables, draws),
        8 => on_ready(tables, draws),
        9 => cancel(tables, draws),
        _ => drain(tables, draws),
    }
}

fn submit_options(draws: &mut Draws<'_>) -> Place<holdfast_submit_options> {
    let mut options = holdfast_submit_options {
        struct_size: 0,
        retries: draws.one_of(&[HOLDFAST_NO_RETRY, 1, -2]),
        timeout_ms: 1,
        deadline_ms: draws.one_of(&[0, 10, 20]),
        result_format: format(draws),
        pack: draws.one_of(&[0, 0, 0, 1, 2]),
        idempotent: draws.one_of(&[0, 0, 1, 2]),
        deadline_covers_wait: 0,
        in_parts: 0,
        notices: 0,
    };
    // Not drawn, so that what was found before still means what it did.
    options.deadline_covers_wait = i32::from(options.deadline_ms == 20);
    options.in_parts = i32::from(options.deadline_ms == 10);
    options.notices = i32::from(options.result_format == 1);
    Place::of(options, draws)
}

fn submit_single(tables: &mut Tables, draws: &mut Draws<'_>) {
    let (pool, queue) = (tables.pick(Kind::Pool, draws), tables.pick(Kind::Queue, draws));
    let (sql, params, mut options) = (sql(draws), Params::draw(draws), submit_options(draws));
    let (tag, mut request, statement) = (draws.byte().into(), 0, tables.pick(Kind::Statement, draws));
    let is_text = draws.byte() & 1 == 0;
    tables.told(draws, |error| {
        let (at, count, options, place) = (params.ptr(), params.1, options.ptr(), &raw mut request);
        // SAFETY: NULL or live, of whatever kind; all else is as it says, and `request` is writable.
        unsafe {
            if is_text {
                holdfast_submit_query(pool, queue, tag, options, sql, HOLDFAST_NUL, at, count, place, error)
            } else {
                holdfast_submit_execute(pool, queue, tag, options, statement, at, count, place, error)
            }
        }
    });
}

fn submit_acquire(tables: &mut Tables, draws: &mut Draws<'_>) {
    let (pool, queue) = (tables.pick(Kind::Pool, draws), tables.pick(Kind::Queue, draws));
    let mut options = submit_options(draws);
    tables.told(draws, |error| {
        let options = options.ptr();
        // SAFETY: NULL or live, of whatever kind; the options are larger than they say, and always have `retries`.
        unsafe {
            // Not drawn either: other calls are refused these options.
            if (*options).retries == -2 {
                holdfast_submit_close(pool, queue, 18, (*options).timeout_ms, ptr::null_mut(), error)
            } else {
                holdfast_submit_acquire(pool, queue, 1, options, ptr::null_mut(), error)
            }
        }
    });
}

fn submit_pipeline(tables: &mut Tables, draws: &mut Draws<'_>) {
    let (pool, queue) = (tables.pick(Kind::Pool, draws), tables.pick(Kind::Queue, draws));
    let connection: *mut holdfast_connection = tables.pick(Kind::Connection, draws);
    let params: Vec<_> = (0..draws.below(4)).map(|_| Params::draw(draws)).collect();
    let (requests, mut options) = (requests(tables, &params, draws), submit_options(draws));
    let (mode, to_pool) = (i32::from(draws.byte() % 3), draws.byte() & 1 == 0);
    tables.told(draws, |error| {
        let (at, count, options, place) = (requests.as_ptr(), requests.len(), options.ptr(), ptr::null_mut());
        // SAFETY: NULL or live, of whatever kind; all else is as it says.
        unsafe {
            if to_pool {
                holdfast_submit_pipeline(pool, queue, 4, options, at, count, mode, place, error)
            } else {
                holdfast_submit_connection_pipeline(
                    connection, queue, 5, options, at, count, mode, place, error,
                )
            }
        }
    });
}

fn submit_transaction(tables: &mut Tables, draws: &mut Draws<'_>) {
    let (pool, queue) = (tables.pick(Kind::Pool, draws), tables.pick(Kind::Queue, draws));
    let (mut options, mut wanted) = (submit_options(draws), transaction_options(draws));
    let data = callbacks::script_of(draws.bytes(8));
    let body = (draws.byte() & 15 != 15).then_some(callbacks::submitted_body as _);
    let done = tables.told(draws, |error| {
        let (options, wanted, request) = (options.ptr(), wanted.ptr(), ptr::null_mut());
        // SAFETY: NULL or live, of whatever kind; the options are larger than they say; the data is destroyed by the library
        // if it takes it.
        unsafe {
            holdfast_submit_transaction(
                pool,
                queue,
                6,
                options,
                wanted,
                body,
                data,
                Some(callbacks::destroy_script),
                request,
                error,
            )
        }
    });
    if done != HOLDFAST_STATUS_OK {
        // SAFETY: it stayed ours.
        unsafe { callbacks::destroy_script(data) };
    }
}

fn submit_single_to_connection(tables: &mut Tables, draws: &mut Draws<'_>) {
    let (connection, queue) = (tables.pick(Kind::Connection, draws), tables.pick(Kind::Queue, draws));
    let (sql, params, mut options) = (sql(draws), Params::draw(draws), submit_options(draws));
    let (is_text, statement) = (draws.byte() & 1 == 0, tables.pick(Kind::Statement, draws));
    tables.told(draws, |error| {
        let (at, count, options, place) = (params.ptr(), params.1, options.ptr(), ptr::null_mut());
        // SAFETY: NULL or live, of whatever kind; all else is as it says.
        unsafe {
            if is_text {
                holdfast_submit_connection_query(
                    connection,
                    queue,
                    2,
                    options,
                    sql,
                    HOLDFAST_NUL,
                    at,
                    count,
                    place,
                    error,
                )
            } else {
                holdfast_submit_connection_execute(
                    connection, queue, 3, options, statement, at, count, place, error,
                )
            }
        }
    });
}

fn submit_other_to_connection(tables: &mut Tables, draws: &mut Draws<'_>) {
    let (connection, queue) = (tables.pick(Kind::Connection, draws), tables.pick(Kind::Queue, draws));
    let (sql, which) = (sql(draws), draws.byte());
    if which >= 200 {
        return submit_step(tables, which, draws);
    }
    let (mut options, mut wanted) = (submit_options(draws), transaction_options(draws));
    tables.told(draws, |error| {
        let (options, wanted, place) = (options.ptr(), wanted.ptr(), ptr::null_mut());
        // SAFETY: NULL or live, of whatever kind; the options are larger than they say, and the text ends in NUL.
        unsafe {
            match which % 4 {
                0 => holdfast_submit_connection_script(
                    connection,
                    queue,
                    7,
                    options,
                    sql,
                    HOLDFAST_NUL,
                    place,
                    error,
                ),
                1 => holdfast_submit_connection_begin(connection, queue, 8, options, wanted, place, error),
                2 => holdfast_submit_connection_commit(connection, queue, 9, options, place, error),
                _ => holdfast_submit_connection_rollback(connection, queue, 10, options, place, error),
            }
        }
    });
}

/// Steps of streams, copies and savepoints, by which a queue and a connection hold on to further handles.
fn submit_step(tables: &mut Tables, which: u8, draws: &mut Draws<'_>) {
    let (connection, queue) = (tables.pick(Kind::Connection, draws), tables.pick(Kind::Queue, draws));
    let (stream, copy_in) = (tables.pick(Kind::Stream, draws), tables.pick(Kind::CopyIn, draws));
    let copy_out = tables.pick(Kind::CopyOut, draws);
    let (sql, mut options) = (sql(draws), submit_options(draws));
    tables.told(draws, |error| {
        let (at, none) = (options.ptr(), ptr::null_mut());
        // SAFETY: NULL or live, of whatever kind; the options are larger than they say, and the texts end in NUL.
        unsafe {
            match which % 8 {
                0 => holdfast_submit_connection_stream(
                    connection,
                    queue,
                    11,
                    at,
                    sql,
                    HOLDFAST_NUL,
                    ptr::null(),
                    0,
                    none,
                    error,
                ),
                1 | 2 => holdfast_submit_stream_next(stream, queue, 12, at, 3, none, error),
                3 => holdfast_submit_connection_copy_in(
                    connection,
                    queue,
                    13,
                    at,
                    sql,
                    HOLDFAST_NUL,
                    none,
                    error,
                ),
                4 => holdfast_submit_copy_in_write(copy_in, queue, 14, at, sql.cast(), 1, none, error),
                5 => holdfast_submit_copy_in_finish(copy_in, queue, 15, at, none, error),
                6 => holdfast_submit_connection_copy_out(
                    connection,
                    queue,
                    16,
                    at,
                    sql,
                    HOLDFAST_NUL,
                    none,
                    error,
                ),
                _ => holdfast_submit_copy_out_read(copy_out, queue, 17, at, 9, none, error),
            }
        }
    });
}

fn on_ready(tables: &mut Tables, draws: &mut Draws<'_>) {
    let queue = tables.pick(Kind::Queue, draws);
    let callback: holdfast_ready_callback = if draws.byte() & 3 == 3 { None } else { Some(callbacks::ready) };
    let data = callbacks::user_data();
    let done = tables.told(draws, |error| {
        // SAFETY: NULL or live, of whatever kind; the data is destroyed by the library if it takes it.
        unsafe { holdfast_queue_on_ready(queue, callback, data, Some(callbacks::destroy), error) }
    });
    if done != HOLDFAST_STATUS_OK {
        // SAFETY: it stayed ours.
        unsafe { callbacks::destroy(data) };
    }
}

fn cancel(tables: &mut Tables, draws: &mut Draws<'_>) {
    let (queue, request) = (tables.pick(Kind::Queue, draws), u64::from(draws.byte() % 16));
    // SAFETY: NULL or live, of whatever kind.
    tables.told(draws, |error| unsafe { holdfast_request_cancel(queue, request, error) });
}

fn drain(tables: &mut Tables, draws: &mut Draws<'_>) {
    let queue = tables.pick(Kind::Queue, draws);
    let patience = u64::from(draws.byte() % 4);
    // SAFETY: NULL or live, of whatever kind; there is room for as many as are taken, and what is in them is ours.
    unsafe {
        let mut done: [holdfast_completion; 4] = std::mem::zeroed();
        holdfast_queue_fd(queue);
        holdfast_queue_wait(queue, patience);
        let before = holdfast_queue_pending(queue);
        let most = draws.below(5);
        let taken = holdfast_queue_drain(queue, done.as_mut_ptr(), most, size_of::<holdfast_completion>());
        assert!(taken <= most && taken <= before, "more than there were");
        for one in &done[..taken] {
            assert_ne!(one.status, HOLDFAST_STATUS_PANIC);
            assert_eq!(one.error.is_null(), one.status == HOLDFAST_STATUS_OK);
            tables.keep(Kind::Result, one.result);
            tables.keep(Kind::Results, one.results);
            tables.keep(Kind::Outcomes, one.outcomes);
            tables.keep(Kind::Pack, one.pack);
            tables.keep(Kind::Connection, one.connection);
            tables.keep(Kind::Error, one.error);
            tables.keep(Kind::Stream, one.stream);
            tables.keep(Kind::CopyIn, one.copy_in);
            tables.keep(Kind::CopyOut, one.copy_out);
            tables.keep(Kind::Statement, one.statement);
            tables.keep(Kind::Notices, one.notices);
            holdfast_chunk_free(one.chunk);
        }
    }
}
