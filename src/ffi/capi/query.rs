//! Running statements.

use std::ffi::{c_char, c_void};
use std::slice;

use super::connection::{Lent, holdfast_connection};
use super::error::holdfast_error;
use super::guard::{Failure, Out, Outcome, guard};
use super::handle::hold;
use super::pool::{acquire, holdfast_acquire_options, holdfast_pool};
use super::result::{Block, Blocks, holdfast_result, holdfast_results};
use super::status::holdfast_status;
use super::text::{bytes, text};
use crate::pool::PooledConnection;
use crate::session::{Param, ResultFormat, WireFormat};

/// Values as the server prints and reads them.
pub const HOLDFAST_FORMAT_TEXT: i32 = 0;
/// Values in the server's binary form.
pub const HOLDFAST_FORMAT_BINARY: i32 = 1;
/// Of results only: binary for booleans, integers, floats, bytea, uuid, dates and timestamps, text for all else. Text for
/// all where statement_cache is 0.
pub const HOLDFAST_FORMAT_AUTOMATIC: i32 = 2;

/// One parameter of a statement. This struct does not grow.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct holdfast_param {
    /// The value; NULL is the NULL of SQL.
    pub value: *const c_void,
    /// Its length in bytes; HOLDFAST_NUL for a text that ends at its NUL.
    pub len: usize,
    /// Its type, as in pg_type; 0 lets the server infer it.
    pub type_oid: u32,
    /// HOLDFAST_FORMAT_TEXT or HOLDFAST_FORMAT_BINARY.
    pub format: i32,
}

/// As many as the protocol can count.
const MOST_PARAMETERS: usize = 65_535;

/// # Safety
/// `params` is NULL or readable for `count` parameters, whose values are NULL or readable for their length.
unsafe fn parameters<'a>(params: *const holdfast_param, count: usize) -> Outcome<Vec<Param<'a>>> {
    if count == 0 {
        return Ok(Vec::new());
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
    let convert = |(index, param): (usize, &holdfast_param)| {
        let format = match param.format {
            HOLDFAST_FORMAT_TEXT => WireFormat::Text,
            HOLDFAST_FORMAT_BINARY => WireFormat::Binary,
            other => return Err(Failure::argument(format!("params[{index}].format cannot be {other}"))),
        };
        // SAFETY: readable for its length or up to its NUL, as promised.
        let value = (!param.value.is_null())
            .then(|| unsafe { bytes(param.value.cast(), param.len, "value") })
            .transpose()?;
        Ok(Param { value, format, type_oid: param.type_oid })
    };
    params.iter().enumerate().map(convert).collect()
}

fn result_format(format: i32) -> Outcome<ResultFormat> {
    match format {
        HOLDFAST_FORMAT_TEXT => Ok(ResultFormat::Text),
        HOLDFAST_FORMAT_BINARY => Ok(ResultFormat::Binary),
        HOLDFAST_FORMAT_AUTOMATIC => Ok(ResultFormat::Automatic),
        other => Err(Failure::argument(format!("result_format cannot be {other}"))),
    }
}

/// Uses the direct lane of a connection. Its errors do not know the server.
pub(super) fn on_lane<T>(
    conn: &mut PooledConnection,
    work: impl FnOnce(&mut crate::session::Lane<'_>) -> crate::Result<T>,
) -> Outcome<T> {
    let done = conn.lane().and_then(|mut lane| work(&mut lane));
    done.map_err(|e| Failure::Core(if e.target().is_none() { e.at_target(conn.target()) } else { e }))
}

/// Runs one statement and puts its result into *result; free it with holdfast_result_free. $1 and so on in the text stand
/// for params, which and whose values are only read during the call; NULL if nparams is 0. result_format is a
/// HOLDFAST_FORMAT_ constant. The statement is prepared at first use and kept with the connection, unless statement_cache
/// is 0. Blocks until the server answered, at most for the deadline of the connection. HOLDFAST_STATUS_DATABASE if the
/// server refuses, HOLDFAST_STATUS_QUERY_TIMEOUT, _CANCELED, _CONNECTION_LOST; HOLDFAST_STATUS_MISUSE if the number of
/// parameters is wrong.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn holdfast_connection_query(
    connection: *mut holdfast_connection,
    sql: *const c_char,
    sql_len: usize,
    params: *const holdfast_param,
    nparams: usize,
    result_format: i32,
    result: *mut *mut holdfast_result,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: `result` is NULL or writable, `connection` NULL or live; text and parameters are readable as they say.
        let (out, lent, sql, params) = unsafe {
            let out = Out::new(result, "result")?;
            (out, hold(connection.cast_const())?, text(sql, sql_len, "sql")?, parameters(params, nparams)?)
        };
        let format = self::result_format(result_format)?;
        out.set(Block::new(lent.with(|conn| on_lane(conn, |lane| lane.query(sql, &params, format)))?));
        Ok(())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Borrows a connection, runs one statement and gives the connection back: holdfast_pool_acquire, which options are for (or
/// NULL), and holdfast_connection_query in one. Any thread. The statement is sent once; what is retried is opening
/// connections.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn holdfast_pool_query(
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
    let body = || {
        // SAFETY: `result` is NULL or writable, `pool` NULL or live; text, parameters, options are readable as they say.
        let (out, pool, sql, params) = unsafe {
            let out = Out::new(result, "result")?;
            (out, hold(pool)?, text(sql, sql_len, "sql")?, parameters(params, nparams)?)
        };
        let format = self::result_format(result_format)?;
        // SAFETY: as above.
        let lent = Lent::new(unsafe { acquire(&pool.core, options)? });
        out.set(Block::new(lent.with(|conn| on_lane(conn, |lane| lane.query(sql, &params, format)))?));
        Ok(())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Runs a text of one or more statements without parameters, and puts a result for each into *results, values as text; free
/// it with holdfast_results_free. The statements form one transaction unless the text says otherwise, and an error ends the
/// whole text. results may be NULL if they are of no interest. Blocks and fails as holdfast_connection_query.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn holdfast_connection_script(
    connection: *mut holdfast_connection,
    sql: *const c_char,
    sql_len: usize,
    results: *mut *mut holdfast_results,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: `results` is writable if it is not NULL, `connection` NULL or live; the text is readable as it says.
        let (out, lent, sql) = unsafe {
            let out = (!results.is_null()).then(|| Out::new(results, "results")).transpose()?;
            (out, hold(connection.cast_const())?, text(sql, sql_len, "sql")?)
        };
        let blocks = lent.with(|conn| on_lane(conn, |lane| lane.script(sql)))?;
        if let Some(out) = out {
            out.set(Blocks::new(blocks));
        }
        Ok(())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}
