//! Reading all of what the library gives, and what must hold of it.

use std::ptr;
use std::slice;

use crate::ffi::capi::boundary::handle::give;
use crate::ffi::capi::library::error::*;
use crate::ffi::capi::library::status::{HOLDFAST_STATUS_OK, holdfast_status};
use crate::ffi::capi::library::text::holdfast_str;
use crate::ffi::capi::results::pack::*;
use crate::ffi::capi::results::result::*;
use crate::session::ResultBlock;

/// The fields of what a server says, and two that there are not.
const FIELDS: [i32; 19] = [
    HOLDFAST_FIELD_SEVERITY,
    HOLDFAST_FIELD_SQLSTATE,
    HOLDFAST_FIELD_MESSAGE,
    HOLDFAST_FIELD_DETAIL,
    HOLDFAST_FIELD_HINT,
    HOLDFAST_FIELD_POSITION,
    HOLDFAST_FIELD_INTERNAL_POSITION,
    HOLDFAST_FIELD_INTERNAL_QUERY,
    HOLDFAST_FIELD_CONTEXT,
    HOLDFAST_FIELD_SCHEMA,
    HOLDFAST_FIELD_TABLE,
    HOLDFAST_FIELD_COLUMN,
    HOLDFAST_FIELD_DATA_TYPE,
    HOLDFAST_FIELD_CONSTRAINT,
    HOLDFAST_FIELD_FILE,
    HOLDFAST_FIELD_LINE,
    HOLDFAST_FIELD_ROUTINE,
    -1,
    512,
];

/// The most rows and columns that are read of a large result.
const MOST: usize = 8;

/// A text that came out of the library: UTF-8, and a NUL follows.
///
/// # Safety
/// It is valid still.
pub(super) unsafe fn said<'a>(text: holdfast_str) -> &'a str {
    assert!(!text.ptr.is_null(), "a text is never NULL");
    // SAFETY: it came from the library, which promises that many bytes and a NUL.
    let bytes = unsafe { slice::from_raw_parts(text.ptr.cast::<u8>(), text.len + 1) };
    assert_eq!(bytes[text.len], 0, "no NUL follows");
    std::str::from_utf8(&bytes[..text.len]).expect("UTF-8")
}

/// Reads every field of an error, frees it, and returns all that it said.
///
/// # Safety
/// `error` is NULL or live, and not used again.
pub(super) unsafe fn read_error(error: *mut holdfast_error) -> String {
    // SAFETY: live, as promised, until it is freed at the end.
    unsafe {
        let all = look_at_error(error);
        holdfast_error_free(error);
        all
    }
}

/// # Safety
/// `error` is NULL or live.
pub(super) unsafe fn look_at_error(error: *const holdfast_error) -> String {
    let mut all = String::new();
    // SAFETY: live, as promised; the structs say how large they are, and live here.
    unsafe {
        let texts = [
            holdfast_error_kind(error),
            holdfast_error_message(error),
            holdfast_error_phase(error),
            holdfast_error_sqlstate(error),
            holdfast_error_target(error),
            holdfast_error_remedy(error),
        ];
        texts.into_iter().for_each(|text| all.push_str(said(text)));
        FIELDS.into_iter().for_each(|field| all.push_str(said(holdfast_error_field(error, field))));
        let _ = (holdfast_error_is_retryable(error), holdfast_error_elapsed_us(error));
        let (mut wanted, mut given) = (0, 0);
        if holdfast_error_parameter_count(error, &raw mut wanted, &raw mut given) {
            assert_ne!(wanted, given);
        }
        let count = holdfast_error_attempt_count(error);
        let mut attempt: holdfast_attempt = std::mem::zeroed();
        attempt.struct_size = size_of_val(&attempt) as u32;
        for index in 0..count {
            assert!(holdfast_error_attempt(error, index, &raw mut attempt));
            let texts = [attempt.phase, attempt.sqlstate, attempt.cause, attempt.target];
            texts.into_iter().for_each(|text| all.push_str(said(text)));
        }
        assert!(!holdfast_error_attempt(error, count, &raw mut attempt));
        let mut snapshot: holdfast_snapshot = std::mem::zeroed();
        snapshot.struct_size = size_of_val(&snapshot) as u32;
        holdfast_error_snapshot(error, &raw mut snapshot);
    }
    all
}

/// Reads all of a result as a program in C does; of a large one its beginning.
pub(crate) fn read_result(block: ResultBlock) {
    let result = give::<holdfast_result>(Block::new(block));
    // SAFETY: live until it is freed; the further handle as well.
    unsafe {
        look_at_result(result);
        let further = holdfast_result_clone(result);
        holdfast_result_free(result);
        assert_eq!(holdfast_result_rows(further), holdfast_result_rows(further));
        holdfast_result_free(further);
    }
}

/// # Safety
/// `result` is NULL or live.
pub(super) unsafe fn look_at_result(result: *const holdfast_result) {
    // SAFETY: live, as promised; what is written to lives here and says how large it is.
    unsafe {
        let (rows, columns) = (holdfast_result_rows(result), holdfast_result_columns(result));
        said(holdfast_result_command_tag(result));
        holdfast_result_rows_affected(result);
        for column in (0..columns.min(MOST)).chain([columns, usize::MAX]) {
            let mut described: holdfast_column = std::mem::zeroed();
            described.struct_size = size_of_val(&described) as u32;
            assert_eq!(holdfast_result_column(result, column, &raw mut described), column < columns);
            if column < columns {
                said(described.name);
            }
            for row in (0..rows.min(MOST)).chain([rows, usize::MAX]) {
                look_at_value(result, row, column, row < rows && column < columns);
            }
        }
        look_at_pack(result);
    }
}

/// # Safety
/// `result` is NULL or live.
unsafe fn look_at_value(result: *const holdfast_result, row: usize, column: usize, is_there: bool) {
    // SAFETY: live, as promised; what is written to lives here.
    unsafe {
        let cell = holdfast_result_cell(result, row, column);
        let is_null = holdfast_result_is_null(result, row, column);
        assert_eq!(cell.ptr.is_null(), is_null);
        assert!(is_there || is_null);
        if !is_null {
            assert_eq!(*cell.ptr.add(cell.len), 0, "no NUL follows");
        }
        // One row is enough to read the texts of failures, which takes much longer than all else.
        let told = |call: &mut Call<'_>| if row == 0 { told(call) } else { call(ptr::null_mut()) };
        let mut text = holdfast_str { ptr: ptr::null(), len: 0 };
        let mut again = text;
        let status = told(&mut |error| holdfast_result_text(result, row, column, &raw mut text, error));
        assert_eq!(status, holdfast_result_text(result, row, column, &raw mut again, ptr::null_mut()));
        if status == HOLDFAST_STATUS_OK {
            said(text);
            assert_eq!((text.ptr, text.len), (again.ptr, again.len), "it was made twice");
        }
        let (mut number, mut float, mut truth) = (0, 0.0, false);
        told(&mut |error| holdfast_result_i64(result, row, column, &raw mut number, error));
        told(&mut |error| holdfast_result_f64(result, row, column, &raw mut float, error));
        told(&mut |error| holdfast_result_bool(result, row, column, &raw mut truth, error));
    }
}

type Call<'a> = dyn FnMut(*mut *mut holdfast_error) -> holdfast_status + 'a;

/// A call that may fail: whatever it puts into its error is read and freed.
pub(super) fn told(call: impl FnOnce(*mut *mut holdfast_error) -> holdfast_status) -> holdfast_status {
    let mut error = ptr::dangling_mut();
    let status = call(&raw mut error);
    assert_eq!(error.is_null(), status == HOLDFAST_STATUS_OK, "an error if and only if it failed");
    // SAFETY: NULL, or made by the call and owned here alone.
    unsafe {
        assert_eq!(holdfast_error_status(error), status);
        read_error(error);
    }
    assert_ne!(status, crate::ffi::capi::library::status::HOLDFAST_STATUS_PANIC);
    status
}

/// Checks that a pack is laid out as the header documents, and has the same content as the result.
///
/// # Safety
/// `result` is NULL or live.
unsafe fn look_at_pack(result: *const holdfast_result) {
    let mut pack = ptr::null_mut();
    // SAFETY: live, as promised; `pack` is writable.
    if told(|error| unsafe { holdfast_result_pack(result, &raw mut pack, error) }) != HOLDFAST_STATUS_OK {
        return;
    }
    // SAFETY: the call made it; its bytes are read before it is freed, and `result` is live.
    unsafe {
        let data = holdfast_pack_data(pack);
        check_pack(result, slice::from_raw_parts(data.ptr, data.len));
        holdfast_pack_free(pack);
    }
}

fn word(pack: &[u8], at: usize) -> usize {
    u32::from_ne_bytes(pack[at..at + 4].try_into().expect("four bytes")) as usize
}

/// # Safety
/// `result` is live.
unsafe fn check_pack(result: *const holdfast_result, pack: &[u8]) {
    let [magic, _, size, rows, columns, columns_at, column_size] =
        std::array::from_fn(|number| word(pack, 4 * number));
    assert_eq!((magic as u32, size), (HOLDFAST_PACK_MAGIC, pack.len()));
    for column in 0..columns {
        let described = |number: usize| word(pack, columns_at + column * column_size + 4 * number);
        let (kind, values_at) = (described(1) as u32, described(11));
        assert!(values_at % 8 == 0 && values_at + described(12) <= size);
        let arena = &pack[described(13)..described(13) + described(14)];
        if !matches!(kind, HOLDFAST_PACK_TEXT | HOLDFAST_PACK_BYTES) {
            continue;
        }
        for row in 0..rows {
            let value = &arena[word(pack, values_at + 4 * row)..word(pack, values_at + 4 * row + 4)];
            if kind == HOLDFAST_PACK_TEXT {
                // SAFETY: live, as promised.
                unsafe { is_the_text(result, row, column, value) };
            }
        }
    }
}

/// # Safety
/// `result` is live.
unsafe fn is_the_text(result: *const holdfast_result, row: usize, column: usize, value: &[u8]) {
    let mut text = holdfast_str { ptr: ptr::null(), len: 0 };
    // SAFETY: live, as promised; `text` is writable, and filled if the call succeeds.
    unsafe {
        if holdfast_result_is_null(result, row, column) {
            assert!(value.is_empty(), "NULL has no text");
        } else {
            let status = holdfast_result_text(result, row, column, &raw mut text, ptr::null_mut());
            assert_eq!(status, HOLDFAST_STATUS_OK, "a text in the pack only: {value:?}");
            assert_eq!(said(text).as_bytes(), value);
        }
    }
}
