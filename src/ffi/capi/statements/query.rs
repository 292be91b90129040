//! Running statements.

use std::ffi::{c_char, c_void};
use std::panic::resume_unwind;
use std::slice;

use super::statement::holdfast_statement;
use crate::ffi::capi::boundary::guard::{Failure, Out, Outcome, guard};
use crate::ffi::capi::boundary::handle::{Held, hold};
use crate::ffi::capi::connections::connection::{CheckedOut, holdfast_connection};
use crate::ffi::capi::library::error::holdfast_error;
use crate::ffi::capi::library::status::holdfast_status;
use crate::ffi::capi::library::text::{bytes, text};
use crate::ffi::capi::pools::pool::{call_for_statement, holdfast_acquire_options, holdfast_pool};
use crate::ffi::capi::results::result::{Block, Blocks, holdfast_result, holdfast_results};
use crate::pool::PooledConnection;
use crate::session::{Param, ResultBlock, ResultFormat, Sql, Statement, WireFormat};
use crate::sys::unwind::catch_panic;

/// Values as the server prints and reads them.
pub const HOLDFAST_FORMAT_TEXT: i32 = 0;
/// Values in the server's binary form.
pub const HOLDFAST_FORMAT_BINARY: i32 = 1;
/// For results only: binary for booleans, integers, floats, bytea, uuid, dates and timestamps, text for all else; but
/// text also where holdfast_result_text could not print as the server does; its comment has the cases. Text for all
/// where statement_cache is 0. The choice is in holdfast_column.format, and may change with the session's settings.
pub const HOLDFAST_FORMAT_AUTOMATIC: i32 = 2;

/// A parameter of a statement. This struct does not grow.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct holdfast_param {
    /// The value; NULL is the NULL of SQL.
    pub value: *const c_void,
    /// Its length in bytes; HOLDFAST_NUL for a text that ends at its NUL.
    pub len: usize,
    /// Its type, as in pg_type; 0 lets the server infer it, and is the statement's own type of a prepared statement.
    pub type_oid: u32,
    /// HOLDFAST_FORMAT_TEXT or HOLDFAST_FORMAT_BINARY.
    pub format: i32,
}

/// As many as the protocol can count.
pub(in crate::ffi::capi) const MOST_PARAMETERS: usize = 65_535;

/// The largest message that PostgreSQL takes has less than 1 GB (`PQ_LARGE_MESSAGE_LIMIT`); this leaves room for what is around
/// the values.
const MOST_PARAMETER_BYTES: usize = 0x3fff_ffff - 1024 * 1024;

/// # Safety
/// `params` is NULL or readable for `count` parameters, with values that are NULL or readable for their length.
pub(in crate::ffi::capi) unsafe fn parameters<'a>(
    params: *const holdfast_param,
    count: usize,
) -> Outcome<Vec<Param<'a>>> {
    let mut read = Vec::new();
    // SAFETY: as promised.
    unsafe { add_parameters(params, count, &mut read)? };
    Ok(read)
}

/// Reads parameters behind those that were read before.
///
/// # Safety
/// As for [`parameters`].
pub(in crate::ffi::capi) unsafe fn add_parameters<'a>(
    params: *const holdfast_param,
    count: usize,
    read: &mut Vec<Param<'a>>,
) -> Outcome {
    if count == 0 {
        return Ok(());
    }
    if params.is_null() {
        return Err(Failure::null("params"));
    }
    if count > MOST_PARAMETERS {
        return Err(Failure::argument(format!(
            "{count} parameters are more than the {MOST_PARAMETERS} there can be"
        )));
    }
    // SAFETY: readable for `count` parameters, as promised.
    let params = unsafe { slice::from_raw_parts(params, count) };
    read.reserve(count);
    let mut total = 0_usize;
    for (index, param) in params.iter().enumerate() {
        let format = match param.format {
            HOLDFAST_FORMAT_TEXT => WireFormat::Text,
            HOLDFAST_FORMAT_BINARY => WireFormat::Binary,
            other => return Err(Failure::argument(format!("params[{index}].format cannot be {other}"))),
        };
        // SAFETY: readable for its length or up to its NUL, as promised.
        let value = (!param.value.is_null())
            .then(|| unsafe { bytes(param.value.cast(), param.len, "value") })
            .transpose()?;
        total = total.saturating_add(value.map_or(0, <[u8]>::len));
        if total > MOST_PARAMETER_BYTES {
            return Err(Failure::argument(format!(
                "params[{index}]: the values have {total} bytes with it, and PostgreSQL takes at most {MOST_PARAMETER_BYTES} \
                 in one statement: use COPY, or several statements"
            )));
        }
        read.push(Param { value, format, type_oid: param.type_oid });
    }
    Ok(())
}

pub(in crate::ffi::capi) fn result_format(format: i32) -> Outcome<ResultFormat> {
    match format {
        HOLDFAST_FORMAT_TEXT => Ok(ResultFormat::Text),
        HOLDFAST_FORMAT_BINARY => Ok(ResultFormat::Binary),
        HOLDFAST_FORMAT_AUTOMATIC => Ok(ResultFormat::Automatic),
        other => Err(Failure::argument(format!("result_format cannot be {other}"))),
    }
}

/// Uses the session of a connection. Its errors do not know the server.
pub(in crate::ffi::capi) fn with_raw<T>(
    conn: &mut PooledConnection,
    work: impl FnOnce(&mut crate::session::RawSession<'_>) -> crate::Result<T>,
) -> Outcome<T> {
    Failure::if_in_callback()?;
    Ok(run_raw(conn, work)?)
}

fn run_raw<T>(
    conn: &mut PooledConnection,
    work: impl FnOnce(&mut crate::session::RawSession<'_>) -> crate::Result<T>,
) -> crate::Result<T> {
    let done = conn.raw().and_then(|mut raw| work(&mut raw));
    done.map_err(|e| if e.target().is_none() { e.at_target(conn.target()) } else { e })
}

/// The place a statement runs at: a connection in hand, or one checked out for it.
pub(in crate::ffi::capi) enum Place {
    /// NULL or live.
    InHand(*mut holdfast_connection),
    /// NULL or live; NULL or as large as it says.
    OfPool(*const holdfast_pool, *const holdfast_acquire_options),
}

/// A statement as C gives it.
pub(in crate::ffi::capi) enum What {
    /// Readable for its length or up to its NUL.
    Text(*const c_char, usize),
    /// NULL or live.
    Statement(*const holdfast_statement),
}

/// The parameters and the format of a run, as C gives them.
pub(in crate::ffi::capi) struct Arguments {
    pub(in crate::ffi::capi) what: What,
    /// NULL or readable for `nparams` parameters, with values readable for their length.
    pub(in crate::ffi::capi) params: *const holdfast_param,
    pub(in crate::ffi::capi) nparams: usize,
    pub(in crate::ffi::capi) result_format: i32,
}

/// The parameters and the format of a run, as the core takes them.
pub(in crate::ffi::capi) struct Given<'a> {
    sql: SqlGiven<'a>,
    pub(in crate::ffi::capi) params: Vec<Param<'a>>,
    pub(in crate::ffi::capi) format: ResultFormat,
}

enum SqlGiven<'a> {
    Text(&'a str),
    Statement(Held<holdfast_statement>),
}

impl Given<'_> {
    pub(in crate::ffi::capi) fn sql(&self) -> Sql<'_> {
        match &self.sql {
            SqlGiven::Text(text) => Sql::Text(text),
            SqlGiven::Statement(held) => Sql::Statement(&held.core),
        }
    }
}

impl Arguments {
    /// # Safety
    /// The pointers are as the fields document, and nothing changes their targets while `'a` lasts.
    pub(in crate::ffi::capi) unsafe fn read<'a>(&self) -> Outcome<Given<'a>> {
        // SAFETY: as promised.
        let params = unsafe { parameters(self.params, self.nparams)? };
        let format = result_format(self.result_format)?;
        let sql = match self.what {
            // SAFETY: as promised.
            What::Text(sql, len) => SqlGiven::Text(unsafe { text(sql, len, "sql")? }),
            What::Statement(statement) => {
                // SAFETY: as promised.
                let held = unsafe { hold(statement)? };
                check_types(&held.core, &params)?;
                SqlGiven::Statement(held)
            }
        };
        Ok(Given { sql, params, format })
    }
}

pub(in crate::ffi::capi) fn check_types(statement: &Statement, params: &[Param<'_>]) -> Outcome {
    let Some(index) = statement.first_of_another_type(params.iter().map(|p| p.type_oid)) else {
        return Ok(());
    };
    let (given, known) = (params[index].type_oid, statement.parameters()[index]);
    Err(Failure::argument(format!(
        "params[{index}].type_oid is {given}, but the statement was prepared with type {known}; 0 means that"
    )))
}

/// Runs one statement and puts its result into `*result`.
///
/// # Safety
/// `place` and `given` are as their fields say, `result` and `error` NULL or writable.
pub(in crate::ffi::capi) unsafe fn run(
    place: Place,
    given: Arguments,
    result: *mut *mut holdfast_result,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: NULL or writable, as promised.
        let out = unsafe { Out::new(result, "result")? };
        // All that can be wrong with the arguments is found before a connection is checked out.
        // SAFETY: as promised.
        let block = unsafe {
            match place {
                Place::InHand(connection) => {
                    let checkout = hold(connection.cast_const())?;
                    query(&checkout, &given.read()?)?
                }
                Place::OfPool(pool, options) => {
                    let pool = hold(pool)?;
                    let given = given.read()?;
                    match call_for_statement(options)? {
                        (call, false) => query_once(pool.core.get_as(call)?, &given)?,
                        (call, true) => pool.core.repeat_lost(call, |conn| query_once(conn, &given))?,
                    }
                }
            }
        };
        out.set(Block::new(block));
        Ok(())
    };
    // SAFETY: NULL or writable, as promised.
    unsafe { guard(error, body) }
}

/// Runs on a connection that only this call uses, and so needs no handle.
fn query_once(mut conn: PooledConnection, given: &Given<'_>) -> crate::Result<ResultBlock> {
    let work = || run_raw(&mut conn, |raw| raw.query(given.sql(), &given.params, given.format));
    match catch_panic(work) {
        Ok(done) => {
            // Not at the end of the scope, where an unwind out of it would leak the value returned (rust-lang/rust#47949): a
            // callback may end this thread.
            drop(conn);
            done
        }
        Err(payload) => {
            // A panic leaves nothing that could be trusted.
            conn.discard();
            resume_unwind(payload)
        }
    }
}

fn query(checkout: &CheckedOut, given: &Given<'_>) -> Outcome<ResultBlock> {
    checkout.with(|conn| with_raw(conn, |raw| raw.query(given.sql(), &given.params, given.format)))
}

/// Runs one statement and puts its result into *result; free it with holdfast_result_free. $1 and so on in the text
/// stand for params, which are read during the call only, with their values; NULL if nparams is 0. result_format is a
/// HOLDFAST_FORMAT_ constant. The statement is prepared at first use and kept with the connection, unless
/// statement_cache is 0. Blocks until the server answered, at most for the deadline of the connection.
/// HOLDFAST_STATUS_DATABASE if the server refuses, HOLDFAST_STATUS_QUERY_TIMEOUT, _CANCELED, _CONNECTION_LOST;
/// HOLDFAST_STATUS_MISUSE if the number of parameters is wrong.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_connection_query(
    connection: *mut holdfast_connection,
    sql: *const c_char,
    sql_len: usize,
    params: *const holdfast_param,
    nparams: usize,
    result_format: i32,
    result: *mut *mut holdfast_result,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let given = Arguments { what: What::Text(sql, sql_len), params, nparams, result_format };
    // SAFETY: all pointers are as `Place`, `Arguments` and `run` want them, by the promise of the caller.
    unsafe { run(Place::InHand(connection), given, result, error) }
}

/// Checks out a connection, runs one statement and gives the connection back: holdfast_pool_acquire, which options are for (or
/// NULL), and holdfast_connection_query in one. Any thread. The statement is sent once, unless options say that it is
/// idempotent; what is retried is opening connections.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_pool_query(
    pool: *const holdfast_pool,
    options: *const holdfast_acquire_options,
    sql: *const c_char,
    sql_len: usize,
    params: *const holdfast_param,
    nparams: usize,
    result_format: i32,
    result: *mut *mut holdfast_result,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let given = Arguments { what: What::Text(sql, sql_len), params, nparams, result_format };
    // SAFETY: all pointers are as `Place`, `Arguments` and `run` want them, by the promise of the caller.
    unsafe { run(Place::OfPool(pool, options), given, result, error) }
}

/// Runs a text of one or more statements without parameters, and puts a result for each into *results, values as text; free
/// it with holdfast_results_free. The statements form one transaction unless the text says otherwise, and an error ends the
/// whole text. results may be NULL if they are of no interest. Blocks and fails as holdfast_connection_query.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_connection_script(
    connection: *mut holdfast_connection,
    sql: *const c_char,
    sql_len: usize,
    results: *mut *mut holdfast_results,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: `results` is writable if it is not NULL, `connection` NULL or live; the text is readable as it says.
        let (out, checkout, sql) = unsafe {
            let out = (!results.is_null()).then(|| Out::new(results, "results")).transpose()?;
            (out, hold(connection.cast_const())?, text(sql, sql_len, "sql")?)
        };
        let blocks = checkout.with(|conn| with_raw(conn, |raw| raw.script(sql)))?;
        if let Some(out) = out {
            out.set(Blocks::new(blocks));
        }
        Ok(())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}
