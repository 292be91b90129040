//! Parameters that the library keeps.
//!
//! For callers that cannot lay out an array of holdfast_param, or whose memory must not be pointed at: values are added one by
//! one and copied. Where a function takes params and nparams, holdfast_params_data and holdfast_params_count are what to pass. One
//! thread at a time may use such an object, and none of these blocks.

use std::ffi::{c_char, c_void};
use std::ptr;

use super::query::{HOLDFAST_FORMAT_BINARY, HOLDFAST_FORMAT_TEXT, MOST_PARAMETERS, holdfast_param};
use crate::ffi::capi::boundary::guard::{Failure, Out, Outcome, guard, or_default};
use crate::ffi::capi::boundary::handle::{free, handle, hold, look};
use crate::ffi::capi::library::error::holdfast_error;
use crate::ffi::capi::library::status::holdfast_status;
use crate::ffi::capi::library::text::{bytes, text};
use crate::sys::sync::Mutex;

/// Parameters of a statement, which can be used any number of times. Free them with holdfast_params_free.
pub struct holdfast_params {
    _opaque: [u8; 0],
}

handle!(holdfast_params: Params, b"hf-param");

/// The OID of bytea.
const BYTEA: u32 = 17;

#[derive(Default)]
pub struct Params(Mutex<Values>);

#[derive(Default)]
struct Values {
    /// What the list points at; boxed, so that values stay where they are while others are added.
    kept: Vec<Option<Box<[u8]>>>,
    listed: Vec<holdfast_param>,
}

// SAFETY: the pointers in the list lead to what is kept beside it.
unsafe impl Send for Values {}

impl Params {
    fn add(&self, value: Option<Box<[u8]>>, type_oid: u32, format: i32) -> Outcome {
        let mut values = self.0.lock();
        if values.listed.len() == MOST_PARAMETERS {
            return Err(Failure::argument(format!(
                "a statement cannot have more than {MOST_PARAMETERS} parameters"
            )));
        }
        let (at, len) = value.as_deref().map_or((ptr::null(), 0), |value| (value.as_ptr(), value.len()));
        values.kept.push(value);
        values.listed.push(holdfast_param { value: at.cast(), len, type_oid, format });
        Ok(())
    }

    /// Adds a value as the server reads it, for the type that it infers.
    fn add_text(&self, value: &str) -> Outcome {
        self.add(Some(value.as_bytes().into()), 0, HOLDFAST_FORMAT_TEXT)
    }
}

/// # Safety
/// `params` is NULL or live, `error` NULL or writable.
unsafe fn add(
    params: *mut holdfast_params,
    error: *mut *mut holdfast_error,
    add: impl FnOnce(&Params) -> Outcome,
) -> holdfast_status {
    // SAFETY: as promised.
    unsafe { guard(error, || add(&*hold(params.cast_const())?)) }
}

/// Makes an object without parameters and puts it into *params. Free it with holdfast_params_free.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_params_new(
    params: *mut *mut holdfast_params,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: `params` is NULL or writable.
        unsafe { Out::new(params, "params")? }.set(Params::default());
        Ok(())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Adds a NULL. type_oid is as in holdfast_param.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_params_add_null(
    params: *mut holdfast_params,
    type_oid: u32,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    // SAFETY: `params` is NULL or live, `error` NULL or writable.
    unsafe { add(params, error, |params| params.add(None, type_oid, HOLDFAST_FORMAT_TEXT)) }
}

/// Adds a boolean: false for 0, else true.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_params_add_bool(
    params: *mut holdfast_params,
    value: i32,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    // SAFETY: `params` is NULL or live, `error` NULL or writable.
    unsafe { add(params, error, |params| params.add_text(if value == 0 { "f" } else { "t" })) }
}

/// Adds an integer, for whatever type of number the server infers: smallint to numeric.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_params_add_i64(
    params: *mut holdfast_params,
    value: i64,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    // SAFETY: `params` is NULL or live, `error` NULL or writable.
    unsafe { add(params, error, |params| params.add_text(&value.to_string())) }
}

/// Adds a floating-point number, exactly: no digit of it is lost. Infinities and NaN are as in SQL.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_params_add_f64(
    params: *mut holdfast_params,
    value: f64,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let printed = match value {
        f64::INFINITY => "Infinity".to_owned(),
        f64::NEG_INFINITY => "-Infinity".to_owned(),
        // As short as can be, with an exponent where that is shorter; NaN is `NaN`.
        _ => format!("{value:?}"),
    };
    // SAFETY: `params` is NULL or live, `error` NULL or writable.
    unsafe { add(params, error, |params| params.add_text(&printed)) }
}

/// Adds a text, for whatever type the server infers: dates, arrays, JSON and enums are written like that too.
/// HOLDFAST_STATUS_UTF8 if it is not UTF-8 or has a NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_params_add_text(
    params: *mut holdfast_params,
    value: *const c_char,
    value_len: usize,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    // SAFETY: `params` is NULL or live, `error` NULL or writable; the text is readable up to its length or NUL.
    unsafe { add(params, error, |params| params.add_text(text(value, value_len, "value")?)) }
}

/// Adds bytes, as bytea.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_params_add_bytes(
    params: *mut holdfast_params,
    value: *const c_void,
    len: usize,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    // SAFETY: as for the call.
    unsafe { holdfast_params_add(params, value, len, BYTEA, HOLDFAST_FORMAT_BINARY, error) }
}

/// Adds a value with a type and a format, as a holdfast_param has them.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_params_add(
    params: *mut holdfast_params,
    value: *const c_void,
    len: usize,
    type_oid: u32,
    format: i32,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = |params: &Params| {
        if !matches!(format, HOLDFAST_FORMAT_TEXT | HOLDFAST_FORMAT_BINARY) {
            return Err(Failure::argument(format!("format cannot be {format}")));
        }
        // SAFETY: the value is readable for its length or up to its NUL.
        let value = unsafe { bytes(value.cast(), len, "value")? };
        params.add(Some(value.into()), type_oid, format)
    };
    // SAFETY: `params` is NULL or live, `error` NULL or writable.
    unsafe { add(params, error, body) }
}

/// Removes all, for the values of another call.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_params_clear(params: *mut holdfast_params) {
    // SAFETY: the caller gives NULL or a live object.
    or_default((), || {
        let gone = std::mem::take(&mut *unsafe { look(params)? }.0.lock());
        drop(gone);
        Ok(())
    });
}

/// The parameters, to be passed as params; NULL if there are none. Valid until one is added, all are removed, or the object is
/// freed.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_params_data(
    params: *const holdfast_params,
) -> *const holdfast_param {
    // SAFETY: the caller gives NULL or a live object.
    or_default(ptr::null(), || {
        let values = unsafe { look(params)? }.0.lock();
        Ok(if values.listed.is_empty() { ptr::null() } else { values.listed.as_ptr() })
    })
}

/// Their number, to be passed as nparams; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_params_count(params: *const holdfast_params) -> usize {
    // SAFETY: the caller gives NULL or a live object.
    or_default(0, || Ok(unsafe { look(params)? }.0.lock().listed.len()))
}

/// Frees parameters. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_params_free(params: *mut holdfast_params) {
    // SAFETY: the caller gives NULL or a live object, and does not use it again.
    unsafe { free(params) }
}
