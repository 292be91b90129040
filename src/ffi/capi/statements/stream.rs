//! Rows in portions.
//!
//! For results larger than memory. The server is held back while the program asks for no more. A stream goes with the
//! connection it was opened on, which takes no other calls until the stream has ended (HOLDFAST_STATUS_MISUSE), but
//! does not keep it checked out: once the connection was released or discarded, the stream has ended, and calls on it
//! give HOLDFAST_STATUS_MISUSE. The portions are results of their own.

use std::ffi::c_char;
use std::sync::{Arc, OnceLock};

use super::cursor::OnConnection;
use super::query::{Arguments, What, holdfast_param, with_raw};
use crate::ffi::capi::boundary::guard::{Failure, Out, Outcome, guard, or_default};
use crate::ffi::capi::boundary::handle::{Watched, free, handle, hold, look};
use crate::ffi::capi::connections::connection::holdfast_connection;
use crate::ffi::capi::library::error::holdfast_error;
use crate::ffi::capi::library::status::holdfast_status;
use crate::ffi::capi::library::text::{EMPTY, Text, ended, holdfast_str};
use crate::ffi::capi::results::result::{Block, describe, holdfast_column, holdfast_result, names};
use crate::session::{Column, CommandTag, RawSession, ResultBlock, StreamCursor};

/// A result that is read in portions. Free it with holdfast_stream_free.
pub struct holdfast_stream {
    _opaque: [u8; 0],
}

handle!(holdfast_stream: Stream, b"hf-strem", stays_in_its_process = true);

pub struct Stream {
    pub(in crate::ffi::capi) cursor: OnConnection<StreamCursor>,
    columns: Arc<[Column]>,
    names: Vec<Text>,
    /// Known once the end was read.
    tag: OnceLock<CommandTag>,
}

impl Stream {
    pub(in crate::ffi::capi) fn new(connection: Watched<holdfast_connection>, cursor: StreamCursor) -> Self {
        let columns = cursor.shared_columns();
        let names = names(&columns);
        Self { names, columns, tag: OnceLock::new(), cursor: OnConnection::new(connection, cursor) }
    }

    /// Reads the next rows; `None` at the end.
    pub(in crate::ffi::capi) fn take(
        &self,
        cursor: &mut StreamCursor,
        raw: &mut RawSession<'_>,
        most: usize,
    ) -> crate::Result<Option<ResultBlock>> {
        let block = cursor.next_portion(raw, most)?;
        if cursor.is_ended() {
            self.tag.get_or_init(|| cursor.tag().clone());
        }
        Ok(block)
    }
}

/// Refuses a portion of no rows.
pub(in crate::ffi::capi) fn check_rows(most: usize) -> Outcome {
    if most == 0 {
        return Err(Failure::argument("max_rows cannot be 0"));
    }
    Ok(())
}

/// Runs one statement and puts a stream into *stream, from which its rows are read with holdfast_stream_next. The arguments
/// are those of holdfast_connection_query. Blocks until the server has accepted the statement, at most for the deadline of
/// the connection, and fails like that; what goes wrong after that comes from holdfast_stream_next.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_connection_stream(
    connection: *mut holdfast_connection,
    sql: *const c_char,
    sql_len: usize,
    params: *const holdfast_param,
    nparams: usize,
    result_format: i32,
    stream: *mut *mut holdfast_stream,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        let given = Arguments { what: What::Text(sql, sql_len), params, nparams, result_format };
        // SAFETY: `stream` is NULL or writable, `connection` NULL or live; text and parameters are readable as they say.
        let (out, checkout, request) =
            unsafe { (Out::new(stream, "stream")?, hold(connection.cast_const())?, given.read()?) };
        let open = |raw: &mut RawSession<'_>| raw.open_stream(request.sql(), &request.params, request.format);
        let cursor = checkout.with(|conn| with_raw(conn, open))?;
        out.set(Stream::new(checkout.watch(), cursor));
        Ok(())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Puts the next rows into *result, at least one and at most max_rows, which is not 0; free it with holdfast_result_free.
/// NULL at the end, and HOLDFAST_STATUS_OK. There are fewer rows when the end comes, and when they are large: 16 MiB end a
/// portion. Blocks until the rows have come, at most for the deadline of the connection, which holds for each call by
/// itself. HOLDFAST_STATUS_DATABASE and others if the statement fails on its way: the stream has then ended.
/// HOLDFAST_STATUS_MISUSE after that, and when the connection was given back.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_stream_next(
    stream: *mut holdfast_stream,
    max_rows: usize,
    result: *mut *mut holdfast_result,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: `result` is NULL or writable, `stream` NULL or live.
        let (out, stream) = unsafe { (Out::new(result, "result")?, hold(stream.cast_const())?) };
        check_rows(max_rows)?;
        let block =
            stream.cursor.with::<holdfast_stream, _>(|cursor, raw| stream.take(cursor, raw, max_rows))?;
        if let Some(block) = block {
            out.set(Block::new(block));
        }
        Ok(())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// The number of columns; 0 for NULL and for statements that return no rows. Any thread; does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_stream_columns(stream: *const holdfast_stream) -> usize {
    // SAFETY: the caller gives NULL or a live stream.
    or_default(0, || Ok(unsafe { look(stream)? }.columns.len()))
}

/// Fills *column with the description of the column of this index. false, and nothing is written, if there is none or
/// struct_size is not set. Any thread; does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_stream_column(
    stream: *const holdfast_stream,
    index: usize,
    column: *mut holdfast_column,
) -> bool {
    or_default(false, || {
        // SAFETY: the caller gives NULL or a live stream, and NULL or a column as large as its `struct_size` says.
        unsafe {
            let stream = look(stream)?;
            describe(&stream.columns, &stream.names, index, column)
        }
    })
}

/// The server's command tag, once the end was read: "SELECT 1000000"; empty before. Belongs to the stream. Any thread;
/// does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_stream_command_tag(stream: *const holdfast_stream) -> holdfast_str {
    // SAFETY: the caller gives NULL or a live stream.
    or_default(EMPTY, || Ok(unsafe { look(stream)? }.tag.get().map_or(EMPTY, |tag| ended(tag.with_nul()))))
}

/// Frees a stream. NULL is allowed. Before its end, it gives the rest up: that is cancelled and skipped before the next
/// statement of the connection, or when the connection goes back. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_stream_free(stream: *mut holdfast_stream) {
    // SAFETY: the caller gives NULL or a live stream, and does not use it again.
    unsafe { free(stream) }
}
