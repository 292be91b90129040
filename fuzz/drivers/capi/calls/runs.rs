//! Calls that do something on a connection.

use std::ffi::CStr;
use std::ptr;

use super::callbacks::{self, Script};
use super::gets::acquire_options;
use super::tables::{Kind, Place, Tables};
use crate::ffi::capi::connections::connection::*;
use crate::ffi::capi::connections::message::*;
use crate::ffi::capi::connections::transaction::*;
use crate::ffi::capi::fuzzing::reading::look_at_error;
use crate::ffi::capi::library::status::*;
use crate::ffi::capi::library::text::HOLDFAST_NUL;
use crate::ffi::capi::pools::pool::*;
use crate::ffi::capi::results::result::*;
use crate::ffi::capi::statements::copy::*;
use crate::ffi::capi::statements::pipeline::*;
use crate::ffi::capi::statements::query::*;
use crate::ffi::capi::statements::statement::*;
use crate::ffi::capi::statements::stream::*;
use crate::testing::fuzzing::Draws;

/// The statements that the stand-in understands. None sleeps for longer than a moment.
const TEXTS: [&CStr; 12] = [
    c"select 1",
    c"select $1",
    c"select $1, $2",
    c"echo:rows 3",
    c"echo:rows 300",
    c"echo:error 23505 twice",
    c"echo:sleep 1",
    c"echo:notice look",
    c"echo:notify news hello",
    c"echo:drop",
    c"begin; select 1; commit",
    c"",
];

pub(super) fn call(tables: &mut Tables, which: u8, draws: &mut Draws<'_>) {
    match which % 18 {
        0 | 1 => query(tables, draws),
        2 => pool_query(tables, draws),
        3 => script(tables, draws),
        4 => prepare(tables, draws),
        5 => execute(tables, draws),
        6 => pool_execute(tables, draws),
        7 | 8 => stream(tables, draws),
        9 | 10 => next(tables, draws),
        11 => copy(tables, draws),
        12 => pipeline(tables, draws),
        13 | 14 => transaction_by_hand(tables, draws),
        15 => transaction(tables, draws),
        16 => messages(tables, draws),
        _ => set_deadline(tables, draws),
    }
}

pub(super) fn sql(draws: &mut Draws<'_>) -> *const std::ffi::c_char {
    draws.one_of(&TEXTS).as_ptr()
}

/// Mostly one that there is.
pub(super) fn format(draws: &mut Draws<'_>) -> i32 {
    match draws.byte() {
        255 => draws.number().cast_signed(),
        other => i32::from(other % 3),
    }
}

/// Up to two parameters.
pub(super) struct Params([holdfast_param; 2], pub(super) usize);

impl Params {
    pub(super) fn draw(draws: &mut Draws<'_>) -> Self {
        let param = |draws: &mut Draws<'_>| {
            let value = if draws.byte() & 3 == 3 { ptr::null() } else { c"42".as_ptr().cast() };
            let (type_oid, format) = (draws.one_of(&[0, 23, 25, 1700]), draws.one_of(&[0, 0, 0, 1, 2]));
            holdfast_param { value, len: draws.one_of(&[HOLDFAST_NUL, 2, 0, 1]), type_oid, format }
        };
        Self([param(draws), param(draws)], draws.one_of(&[0, 0, 1, 1, 2]))
    }

    pub(super) fn ptr(&self) -> *const holdfast_param {
        self.0.as_ptr()
    }
}

fn query(tables: &mut Tables, draws: &mut Draws<'_>) {
    let connection = tables.pick(Kind::Connection, draws);
    let (sql, params, format) = (sql(draws), Params::draw(draws), format(draws));
    let mut result = ptr::null_mut();
    tables.told(draws, |error| {
        let (at, count, place) = (params.ptr(), params.1, &raw mut result);
        // SAFETY: NULL or live, of whatever kind; texts and parameters are as they say, and `result` is writable.
        unsafe { holdfast_connection_query(connection, sql, HOLDFAST_NUL, at, count, format, place, error) }
    });
    tables.keep(Kind::Result, result);
}

fn pool_query(tables: &mut Tables, draws: &mut Draws<'_>) {
    let pool = tables.pick(Kind::Pool, draws);
    let (sql, params, format) = (sql(draws), Params::draw(draws), format(draws));
    let mut options = acquire_options(draws);
    let mut result = ptr::null_mut();
    tables.told(draws, |error| {
        let (at, count, place, options) = (params.ptr(), params.1, &raw mut result, options.ptr());
        // SAFETY: NULL or live, of whatever kind; all else is as it says, and `result` is writable.
        unsafe { holdfast_pool_query(pool, options, sql, HOLDFAST_NUL, at, count, format, place, error) }
    });
    tables.keep(Kind::Result, result);
}

fn script(tables: &mut Tables, draws: &mut Draws<'_>) {
    let (connection, sql) = (tables.pick(Kind::Connection, draws), sql(draws));
    let mut results = ptr::null_mut();
    let place = if draws.byte() & 7 == 7 { ptr::null_mut() } else { &raw mut results };
    // SAFETY: NULL or live, of whatever kind; the text ends in NUL, and the place is NULL or writable.
    tables.told(draws, |error| unsafe {
        holdfast_connection_script(connection, sql, HOLDFAST_NUL, place, error)
    });
    tables.keep(Kind::Results, results);
}

fn prepare(tables: &mut Tables, draws: &mut Draws<'_>) {
    let (connection, sql) = (tables.pick(Kind::Connection, draws), sql(draws));
    let types = [draws.one_of(&[0, 23, 25]), 0];
    let (count, mut statement) = (draws.below(3), ptr::null_mut());
    tables.told(draws, |error| {
        let (types, place) = (types.as_ptr(), &raw mut statement);
        // SAFETY: NULL or live, of whatever kind; text and types are as they say, and `statement` is writable.
        unsafe { holdfast_connection_prepare(connection, sql, HOLDFAST_NUL, types, count, place, error) }
    });
    tables.keep(Kind::Statement, statement);
}

fn execute(tables: &mut Tables, draws: &mut Draws<'_>) {
    let (connection, statement) = (tables.pick(Kind::Connection, draws), tables.pick(Kind::Statement, draws));
    let (params, format) = (Params::draw(draws), format(draws));
    let mut result = ptr::null_mut();
    tables.told(draws, |error| {
        let (at, count, place) = (params.ptr(), params.1, &raw mut result);
        // SAFETY: NULL or live, of whatever kind; the parameters are as they say, and `result` is writable.
        unsafe { holdfast_connection_execute(connection, statement, at, count, format, place, error) }
    });
    tables.keep(Kind::Result, result);
}

fn pool_execute(tables: &mut Tables, draws: &mut Draws<'_>) {
    let (pool, statement) = (tables.pick(Kind::Pool, draws), tables.pick(Kind::Statement, draws));
    let (params, format) = (Params::draw(draws), format(draws));
    let mut options = acquire_options(draws);
    let mut result = ptr::null_mut();
    tables.told(draws, |error| {
        let (at, count, place, options) = (params.ptr(), params.1, &raw mut result, options.ptr());
        // SAFETY: NULL or live, of whatever kind; all else is as it says, and `result` is writable.
        unsafe { holdfast_pool_execute(pool, options, statement, at, count, format, place, error) }
    });
    tables.keep(Kind::Result, result);
}

fn stream(tables: &mut Tables, draws: &mut Draws<'_>) {
    let connection = tables.pick(Kind::Connection, draws);
    let (sql, params, format) = (sql(draws), Params::draw(draws), format(draws));
    let mut stream = ptr::null_mut();
    tables.told(draws, |error| {
        let (at, count, place) = (params.ptr(), params.1, &raw mut stream);
        // SAFETY: NULL or live, of whatever kind; texts and parameters are as they say, and `stream` is writable.
        unsafe { holdfast_connection_stream(connection, sql, HOLDFAST_NUL, at, count, format, place, error) }
    });
    tables.keep(Kind::Stream, stream);
}

fn next(tables: &mut Tables, draws: &mut Draws<'_>) {
    let (stream, most) = (tables.pick(Kind::Stream, draws), draws.one_of(&[0, 1, 2, 100, usize::MAX]));
    let mut result = ptr::null_mut();
    // SAFETY: NULL or live, of whatever kind; `result` is writable.
    tables.told(draws, |error| unsafe { holdfast_stream_next(stream, most, &raw mut result, error) });
    tables.keep(Kind::Result, result);
}

/// The stand-in knows no COPY, so that these are refused, or get no copy.
fn copy(tables: &mut Tables, draws: &mut Draws<'_>) {
    let (connection, sql) = (tables.pick(Kind::Connection, draws), sql(draws));
    let (copy_in, copy_out) = (tables.pick(Kind::CopyIn, draws), tables.pick(Kind::CopyOut, draws));
    let (mut new_in, mut new_out, mut rows) = (ptr::null_mut(), ptr::null_mut(), 0);
    let mut data = holdfast_cell { ptr: ptr::null(), len: 0 };
    let (text, what) = (c"1\n".as_ptr(), draws.byte());
    // SAFETY: NULL or live, of whatever kind; texts and data are as they say, and the places writable.
    tables.told(draws, |error| unsafe {
        match what % 6 {
            0 => holdfast_connection_copy_in(connection, sql, HOLDFAST_NUL, &raw mut new_in, error),
            1 => holdfast_connection_copy_out(connection, sql, HOLDFAST_NUL, &raw mut new_out, error),
            2 => holdfast_copy_in_write(copy_in, text.cast(), 2, error),
            3 => holdfast_copy_in_finish(copy_in, &raw mut rows, error),
            4 => holdfast_copy_in_abort(copy_in, text, HOLDFAST_NUL, error),
            _ => holdfast_copy_out_read(copy_out, &raw mut data, error),
        }
    });
    tables.keep(Kind::CopyIn, new_in);
    tables.keep(Kind::CopyOut, new_out);
}

/// The statements of a pipeline, which point into `params`.
pub(super) fn requests(tables: &Tables, params: &[Params], draws: &mut Draws<'_>) -> Vec<holdfast_request> {
    let request = |params: &Params| holdfast_request {
        sql: sql(draws),
        sql_len: HOLDFAST_NUL,
        statement: if draws.byte() & 3 == 3 { tables.pick(Kind::Statement, draws) } else { ptr::null_mut() },
        params: params.ptr(),
        nparams: params.1,
        result_format: format(draws),
        reserved: u32::from(draws.byte() == 255),
    };
    params.iter().map(request).collect()
}

fn pipeline(tables: &mut Tables, draws: &mut Draws<'_>) {
    let connection = tables.pick(Kind::Connection, draws);
    let params: Vec<_> = (0..draws.below(4)).map(|_| Params::draw(draws)).collect();
    let requests = requests(tables, &params, draws);
    let mode = i32::from(draws.byte() % 3);
    let mut outcomes = ptr::null_mut();
    tables.told(draws, |error| {
        let (at, count, place) = (requests.as_ptr(), requests.len(), &raw mut outcomes);
        // SAFETY: NULL or live, of whatever kind; the requests are as they say, and `outcomes` is writable.
        unsafe { holdfast_connection_pipeline(connection, at, count, mode, place, error) }
    });
    tables.keep(Kind::Outcomes, outcomes);
}

/// Mostly right ones; one further run at most, and no long wait.
pub(super) fn transaction_options(draws: &mut Draws<'_>) -> Place<holdfast_transaction_options> {
    let options = holdfast_transaction_options {
        struct_size: 0,
        isolation: draws.one_of(&[0, 0, 1, 2, 3, 4]),
        access: draws.one_of(&[0, 0, 1, 2, 3]),
        deferrable: draws.one_of(&[0, 0, 1, 2, -1]),
        reruns: draws.one_of(&[HOLDFAST_NO_RETRY, HOLDFAST_NO_RETRY, 1]),
        resolve_commit: draws.one_of(&[0, 0, 0, 1, 2]),
        timeout_ms: 5,
    };
    Place::of(options, draws)
}

fn transaction_by_hand(tables: &mut Tables, draws: &mut Draws<'_>) {
    let connection = tables.pick(Kind::Connection, draws);
    let (what, mut options) = (draws.byte(), transaction_options(draws));
    let name = c"a".as_ptr();
    // SAFETY: NULL or live, of whatever kind; the options are larger than they say, and the name ends in NUL.
    tables.told(draws, |error| unsafe {
        match what % 6 {
            0 => holdfast_connection_begin(connection, options.ptr(), error),
            1 => holdfast_connection_commit(connection, error),
            2 => holdfast_connection_rollback(connection, error),
            3 => holdfast_connection_savepoint(connection, name, HOLDFAST_NUL, error),
            4 => holdfast_connection_rollback_to(connection, name, HOLDFAST_NUL, error),
            _ => holdfast_connection_release_savepoint(connection, name, HOLDFAST_NUL, error),
        }
    });
}

fn transaction(tables: &mut Tables, draws: &mut Draws<'_>) {
    let pool = tables.pick(Kind::Pool, draws);
    let (mut acquire, mut options) = (acquire_options(draws), transaction_options(draws));
    let mut script = Script { draws: Draws::new(draws.bytes(8)), runs: 0 };
    let mut error = ptr::null_mut();
    // SAFETY: NULL or live, of whatever kind; the options are larger than they say; the script lives until the call is over.
    let status = unsafe {
        let (acquire, options, data) = (acquire.ptr(), options.ptr(), (&raw mut script).cast());
        holdfast_pool_transaction(pool, acquire, options, Some(callbacks::body), data, &raw mut error)
    };
    assert_eq!(error.is_null(), status == HOLDFAST_STATUS_OK, "an error if and only if it failed");
    // SAFETY: NULL, or made by the call and live.
    let words = unsafe { look_at_error(error) };
    assert_ne!(status, HOLDFAST_STATUS_PANIC, "{words}");
    tables.keep(Kind::Error, error);
}

fn messages(tables: &mut Tables, draws: &mut Draws<'_>) {
    let (connection, patience) = (tables.pick(Kind::Connection, draws), u64::from(draws.byte() % 3));
    let (mut notices, mut notification) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: NULL or live, of whatever kind; both places are writable.
    unsafe {
        tables.told(draws, |error| holdfast_connection_notices(connection, &raw mut notices, error));
        tables.told(draws, |error| {
            holdfast_connection_notification(connection, patience, &raw mut notification, error)
        });
    }
    tables.keep(Kind::Notices, notices);
    tables.keep(Kind::Notification, notification);
}

fn set_deadline(tables: &mut Tables, draws: &mut Draws<'_>) {
    let connection = tables.pick(Kind::Connection, draws);
    let limit = draws.one_of(&[0, 1, 20, 1_000, u64::MAX]);
    // SAFETY: NULL or live, of whatever kind.
    tables.told(draws, |error| unsafe { holdfast_connection_set_deadline(connection, limit, error) });
}
