//! The calls of a program in callbacks, forbidden ones included.

use std::ffi::c_void;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::ffi::capi::connections::connection::*;
use crate::ffi::capi::connections::transaction::*;
use crate::ffi::capi::fuzzing::reading::{look_at_result, said};
use crate::ffi::capi::fuzzing::world::echo_pool;
use crate::ffi::capi::library::error::holdfast_error;
use crate::ffi::capi::library::status::*;
use crate::ffi::capi::pools::log::holdfast_log_record;
use crate::ffi::capi::pools::password::*;
use crate::ffi::capi::pools::pool::*;
use crate::ffi::capi::pools::stats::*;
use crate::ffi::capi::results::result::*;
use crate::ffi::capi::statements::query::*;
use crate::ffi::capi::statements::stream::*;
use crate::testing::fuzzing::Draws;

/// A pool that callbacks may use at any time, since it is never freed.
fn pool() -> *const holdfast_pool {
    static POOL: OnceLock<usize> = OnceLock::new();
    ptr::with_exposed_provenance(*POOL.get_or_init(|| echo_pool().expose_provenance()))
}

/// The user_data of a callback: it counts its calls, and is freed by [`destroy`], once.
pub(super) fn user_data() -> *mut c_void {
    Box::into_raw(Box::new(AtomicUsize::new(0))).cast()
}

/// # Safety
/// `user_data` came from [`user_data`], and no callback gets it any more.
pub(super) unsafe extern "C-unwind" fn destroy(user_data: *mut c_void) {
    // SAFETY: as promised.
    drop(unsafe { Box::from_raw(user_data.cast::<AtomicUsize>()) });
}

/// # Safety
/// `user_data` came from [`user_data`] and was not destroyed.
unsafe fn called(user_data: *mut c_void) {
    // SAFETY: as promised.
    unsafe { &*user_data.cast::<AtomicUsize>() }.fetch_add(1, Ordering::Relaxed);
    // SAFETY: the pool is live for ever, and what is written to lives here.
    unsafe {
        let mut stats: holdfast_stats = std::mem::zeroed();
        stats.struct_size = size_of_val(&stats) as u32;
        assert_eq!(holdfast_pool_stats(pool(), &raw mut stats, ptr::null_mut()), HOLDFAST_STATUS_OK);
        let mut result = ptr::null_mut();
        let (sql, nothing) = (c"select 1".as_ptr(), ptr::null());
        let status = holdfast_pool_query(
            pool(),
            ptr::null(),
            sql,
            usize::MAX,
            nothing,
            0,
            0,
            &raw mut result,
            ptr::null_mut(),
        );
        assert_eq!(status, HOLDFAST_STATUS_REENTRANT, "a call that would block");
        assert!(result.is_null());
    }
}

/// # Safety
/// As the library promises: the data of this callback, and a record.
pub(super) unsafe extern "C-unwind" fn log(user_data: *mut c_void, record: *const holdfast_log_record) {
    // SAFETY: as promised.
    unsafe {
        said((*record).message);
        said((*record).pool);
        called(user_data);
    }
}

/// # Safety
/// As the library promises: the data of this callback, a request, and the place for the answer.
pub(super) unsafe extern "C-unwind" fn password(
    user_data: *mut c_void,
    request: *const holdfast_password_request,
    answer: *mut holdfast_password,
) {
    // SAFETY: as promised; the text ends in NUL.
    unsafe {
        said((*request).host);
        said((*request).user);
        let status = holdfast_password_give(answer, c"secret".as_ptr(), usize::MAX, ptr::null_mut());
        assert_eq!(status, HOLDFAST_STATUS_OK);
        called(user_data);
    }
}

/// # Safety
/// As the library promises: the data of this callback.
pub(super) unsafe extern "C-unwind" fn ready(user_data: *mut c_void) {
    // SAFETY: as promised.
    unsafe { called(user_data) };
}

/// The work of the body of a transaction.
pub(super) struct Script<'a> {
    pub(super) draws: Draws<'a>,
    pub(super) runs: usize,
}

/// # Safety
/// As the library promises: the [`Script`], its own connection, and a place for an error.
pub(super) unsafe extern "C-unwind" fn body(
    user_data: *mut c_void,
    connection: *mut holdfast_connection,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    // SAFETY: as promised; no other code uses it meanwhile.
    let script = unsafe { &mut *user_data.cast::<Script<'_>>() };
    script.runs += 1;
    assert!(script.runs <= 2, "it was run more often than was asked for");
    let mut last = HOLDFAST_STATUS_OK;
    for _ in 0..script.draws.below(4) {
        // SAFETY: the connection is live for as long as the body runs.
        last = unsafe { step(connection, script.draws.byte()) };
    }
    match script.draws.below(6) {
        0..3 => HOLDFAST_STATUS_OK,
        3 => last,
        4 => HOLDFAST_STATUS_ROLLED_BACK,
        _ => {
            // SAFETY: `error` is writable, as promised, and NULL is no connection.
            unsafe { holdfast_connection_rollback(ptr::null_mut(), error) }
        }
    }
}

/// The work of a transaction that is submitted: bytes that say what it does, in each of its runs.
pub(super) fn script_of(bytes: &[u8]) -> *mut c_void {
    Box::into_raw(Box::new(bytes.to_vec())).cast()
}

/// # Safety
/// `user_data` came from [`script_of`], and no body gets it any more.
pub(super) unsafe extern "C-unwind" fn destroy_script(user_data: *mut c_void) {
    // SAFETY: as promised.
    drop(unsafe { Box::from_raw(user_data.cast::<Vec<u8>>()) });
}

/// # Safety
/// As the library promises: what came from [`script_of`], its own connection, and a place for an error.
pub(super) unsafe extern "C-unwind" fn submitted_body(
    user_data: *mut c_void,
    connection: *mut holdfast_connection,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    // SAFETY: as promised; it is only read.
    let bytes = unsafe { &*user_data.cast::<Vec<u8>>() };
    let mut script = Script { draws: Draws::new(bytes), runs: 0 };
    // SAFETY: as promised, and the script lives until the call is over.
    unsafe { body((&raw mut script).cast(), connection, error) }
}

/// # Safety
/// `connection` is live.
unsafe fn step(connection: *mut holdfast_connection, what: u8) -> holdfast_status {
    let nothing = ptr::null_mut();
    let (mut result, mut stream) = (ptr::null_mut(), ptr::null_mut());
    let query = |sql: &std::ffi::CStr, place| {
        // SAFETY: live, as promised; the text ends in NUL, and `place` is writable.
        unsafe {
            holdfast_connection_query(connection, sql.as_ptr(), usize::MAX, ptr::null(), 0, 0, place, nothing)
        }
    };
    // SAFETY: live, as promised; the handles are NULL or made by the calls before.
    unsafe {
        let status = match what % 10 {
            0 | 1 => query(c"select 1", &raw mut result),
            2 => query(c"echo:error 40001 again", &raw mut result),
            3 => query(c"echo:drop", &raw mut result),
            4 => holdfast_connection_savepoint(connection, c"a".as_ptr(), usize::MAX, nothing),
            5 => holdfast_connection_rollback_to(connection, c"a".as_ptr(), usize::MAX, nothing),
            6 => holdfast_connection_begin(connection, ptr::null(), nothing),
            7 => holdfast_connection_commit(connection, nothing),
            8 => {
                let (sql, format) = (c"echo:rows 3".as_ptr(), HOLDFAST_FORMAT_AUTOMATIC);
                let place = &raw mut stream;
                holdfast_connection_stream(
                    connection,
                    sql,
                    usize::MAX,
                    ptr::null(),
                    0,
                    format,
                    place,
                    nothing,
                )
            }
            _ => {
                holdfast_connection_release(connection);
                HOLDFAST_STATUS_OK
            }
        };
        look_at_result(result);
        holdfast_result_free(result);
        holdfast_stream_free(stream);
        status
    }
}
