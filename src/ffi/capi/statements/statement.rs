//! Prepared statements.
//!
//! A statement is a text with its description. It never changes and belongs to no connection and no pool: all but
//! holdfast_connection_prepare and the functions that run it may be called from any thread, and none of those blocks. Each
//! connection prepares it for itself when it is first used there, keeps it among its statement_cache statements, and
//! prepares it again after a reconnect or when a table has changed. With statement_cache=0 it is sent unnamed each time.

use std::ffi::c_char;
use std::{ptr, slice};

use super::query::{Arguments, MOST_PARAMETERS, Place, What, holdfast_param, run, with_raw};
use crate::ffi::capi::boundary::guard::{Failure, Out, Outcome, guard, or_default};
use crate::ffi::capi::boundary::handle::{another, free, handle, hold, look};
use crate::ffi::capi::connections::connection::holdfast_connection;
use crate::ffi::capi::library::error::holdfast_error;
use crate::ffi::capi::library::status::holdfast_status;
use crate::ffi::capi::library::text::{EMPTY, Text, holdfast_str, text};
use crate::ffi::capi::pools::pool::{holdfast_acquire_options, holdfast_pool};
use crate::ffi::capi::results::result::{describe, holdfast_column, holdfast_result, names};
use crate::session::Statement;

/// A prepared statement. Free it with holdfast_statement_free.
pub struct holdfast_statement {
    _opaque: [u8; 0],
}

handle!(holdfast_statement: Prepared, b"hf-stmnt");

pub struct Prepared {
    pub(in crate::ffi::capi) core: Statement,
    text: Text,
    names: Vec<Text>,
}

impl Prepared {
    pub(in crate::ffi::capi) fn new(sql: &str, core: Statement) -> Self {
        Self { text: Text::new(sql), names: names(core.columns()), core }
    }
}

/// # Safety
/// `types` is NULL or readable for `count` types.
pub(in crate::ffi::capi) unsafe fn types<'a>(types: *const u32, count: usize) -> Outcome<&'a [u32]> {
    if count == 0 {
        return Ok(&[]);
    }
    if types.is_null() {
        return Err(Failure::null("types"));
    }
    if count > MOST_PARAMETERS {
        return Err(Failure::argument(format!(
            "{count} parameters are more than the {MOST_PARAMETERS} there can be"
        )));
    }
    // SAFETY: readable for `count` types, as promised.
    Ok(unsafe { slice::from_raw_parts(types, count) })
}

/// Sends a text of one statement to the server to parse and describe, and puts a statement into *statement. types are
/// those of the parameters $1 and so on, as in pg_type; what is 0 or beyond ntypes is inferred, and the types found
/// hold wherever the statement runs. NULL if ntypes is 0. Blocks until the server answered, at most for the deadline of
/// the connection. HOLDFAST_STATUS_DATABASE if the server refuses the text.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_connection_prepare(
    connection: *mut holdfast_connection,
    sql: *const c_char,
    sql_len: usize,
    types: *const u32,
    ntypes: usize,
    statement: *mut *mut holdfast_statement,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: `statement` is NULL or writable, `connection` NULL or live; text and types are readable as they say.
        let (out, checkout, sql, types) = unsafe {
            let out = Out::new(statement, "statement")?;
            (out, hold(connection.cast_const())?, text(sql, sql_len, "sql")?, self::types(types, ntypes)?)
        };
        let core = checkout.with(|conn| with_raw(conn, |raw| raw.prepare(sql, types)))?;
        out.set(Prepared::new(sql, core));
        Ok(())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// The number of its parameters; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_statement_parameters(statement: *const holdfast_statement) -> usize {
    // SAFETY: the caller gives NULL or a live statement.
    or_default(0, || Ok(unsafe { look(statement)? }.core.parameters().len()))
}

/// The type of the parameter of this index, 0 being $1, as in pg_type; 0 if there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_statement_parameter_type(
    statement: *const holdfast_statement,
    index: usize,
) -> u32 {
    // SAFETY: the caller gives NULL or a live statement.
    or_default(0, || Ok(unsafe { look(statement)? }.core.parameters().get(index).copied().unwrap_or(0)))
}

/// The number of columns of its result; 0 for NULL and for statements that return no rows.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_statement_columns(statement: *const holdfast_statement) -> usize {
    // SAFETY: the caller gives NULL or a live statement.
    or_default(0, || Ok(unsafe { look(statement)? }.core.columns().len()))
}

/// Fills *column with the description of the column of this index, as it was when the statement was prepared; results have
/// their own, which differs once a table has changed. false, and nothing is written, if there is none or struct_size is not
/// set.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_statement_column(
    statement: *const holdfast_statement,
    index: usize,
    column: *mut holdfast_column,
) -> bool {
    or_default(false, || {
        // SAFETY: the caller gives NULL or a live statement, and NULL or a column as large as its `struct_size` says.
        unsafe {
            let statement = look(statement)?;
            describe(statement.core.columns(), &statement.names, index, column)
        }
    })
}

/// Its text; belongs to the statement.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_statement_text(
    statement: *const holdfast_statement,
) -> holdfast_str {
    // SAFETY: the caller gives NULL or a live statement.
    or_default(EMPTY, || Ok(unsafe { look(statement)? }.text.view()))
}

/// A further handle of the same statement, for a further owner: each is freed with holdfast_statement_free. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_statement_clone(
    statement: *const holdfast_statement,
) -> *mut holdfast_statement {
    // SAFETY: the caller gives NULL or a live statement.
    or_default(ptr::null_mut(), || unsafe { another(statement) })
}

/// Frees a statement. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_statement_free(statement: *mut holdfast_statement) {
    // SAFETY: the caller gives NULL or a live statement of its own, and does not use it again.
    unsafe { free(statement) }
}

/// Runs a statement and puts its result into *result: holdfast_connection_query, but for the text. type_oid of a parameter is
/// 0 or the type that the statement has there, else HOLDFAST_STATUS_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_connection_execute(
    connection: *mut holdfast_connection,
    statement: *const holdfast_statement,
    params: *const holdfast_param,
    nparams: usize,
    result_format: i32,
    result: *mut *mut holdfast_result,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let given = Arguments { what: What::Statement(statement), params, nparams, result_format };
    // SAFETY: all pointers are as `Place`, `Arguments` and `run` want them, by the promise of the caller.
    unsafe { run(Place::InHand(connection), given, result, error) }
}

/// Checks out a connection, runs a statement and gives the connection back: holdfast_pool_acquire, which options are for (or
/// NULL), and holdfast_connection_execute in one. Any thread. The statement may have been prepared on another pool.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_pool_execute(
    pool: *const holdfast_pool,
    options: *const holdfast_acquire_options,
    statement: *const holdfast_statement,
    params: *const holdfast_param,
    nparams: usize,
    result_format: i32,
    result: *mut *mut holdfast_result,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let given = Arguments { what: What::Statement(statement), params, nparams, result_format };
    // SAFETY: all pointers are as `Place`, `Arguments` and `run` want them, by the promise of the caller.
    unsafe { run(Place::OfPool(pool, options), given, result, error) }
}
