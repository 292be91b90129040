//! COPY.
//!
//! Data into a table and out of it, in the format that the statement names. A copy goes with the connection it was
//! begun on, which takes no other calls until the copy is over (HOLDFAST_STATUS_MISUSE), but does not keep it checked
//! out: once the connection was released or discarded, the copy is over, nothing of one into a table stays, and calls
//! on it give HOLDFAST_STATUS_MISUSE. The deadline of the connection holds for each call by itself; the time between
//! two calls does not count.

use std::ffi::{c_char, c_void};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::cursor::OnConnection;
use super::query::with_raw;
use crate::error::Error;
use crate::ffi::capi::boundary::guard::{Failure, Out, guard, or_default};
use crate::ffi::capi::boundary::handle::{Watched, free, handle, hold, look};
use crate::ffi::capi::connections::connection::holdfast_connection;
use crate::ffi::capi::library::error::holdfast_error;
use crate::ffi::capi::library::status::holdfast_status;
use crate::ffi::capi::library::text::{bytes, text};
use crate::ffi::capi::results::result::holdfast_cell;
use crate::session::{CopyInCursor, CopyOutCursor, RawSession};

/// A COPY FROM STDIN. Free it with holdfast_copy_in_free.
pub struct holdfast_copy_in {
    _opaque: [u8; 0],
}

handle!(holdfast_copy_in: CopyIn, b"hf-cp-in", stays_in_its_process = true);

pub struct CopyIn {
    pub(in crate::ffi::capi) cursor: OnConnection<CopyInCursor>,
    /// A piece that was submitted never ran, so that what was sent has a gap.
    has_gap: AtomicBool,
}

impl CopyIn {
    pub(in crate::ffi::capi) fn new(connection: Watched<holdfast_connection>, cursor: CopyInCursor) -> Self {
        Self { cursor: OnConnection::new(connection, cursor), has_gap: AtomicBool::new(false) }
    }

    pub(in crate::ffi::capi) fn note_gap(&self) {
        self.has_gap.store(true, Ordering::Relaxed);
    }

    /// Refuses to go on after a gap.
    pub(in crate::ffi::capi) fn check_whole(&self) -> crate::Result<()> {
        if self.has_gap.load(Ordering::Relaxed) {
            return Err(Error::misuse(
                "data submitted to this copy was cancelled, or its queue freed, before it was sent: abort the copy or free it",
            ));
        }
        Ok(())
    }
}

/// A COPY TO STDOUT. Free it with holdfast_copy_out_free.
pub struct holdfast_copy_out {
    _opaque: [u8; 0],
}

handle!(holdfast_copy_out: CopyOut, b"hf-cpout", stays_in_its_process = true);

pub struct CopyOut {
    pub(in crate::ffi::capi) reader: OnConnection<Reader>,
    /// Known once the end was read.
    rows: AtomicU64,
}

pub(in crate::ffi::capi) struct Reader {
    cursor: CopyOutCursor,
    /// The data that C reads until the next call, and a NUL.
    data: Vec<u8>,
}

/// Data of a COPY TO STDOUT that was read by holdfast_submit_copy_out_read. It never changes. Free it with
/// holdfast_chunk_free.
pub struct holdfast_chunk {
    _opaque: [u8; 0],
}

handle!(holdfast_chunk: Chunk, b"hf-chunk");

pub struct Chunk(Vec<u8>);

impl Chunk {
    pub(in crate::ffi::capi) fn new(mut data: Vec<u8>) -> Self {
        data.push(0);
        Self(data)
    }
}

impl CopyOut {
    pub(in crate::ffi::capi) fn new(connection: Watched<holdfast_connection>, cursor: CopyOutCursor) -> Self {
        let reader = Reader { cursor, data: Vec::new() };
        Self { reader: OnConnection::new(connection, reader), rows: AtomicU64::new(0) }
    }

    /// Reads the next piece into the reader's data; `false` at the end.
    fn take(&self, reader: &mut Reader, raw: &mut RawSession<'_>) -> crate::Result<bool> {
        let more = reader.cursor.read_into(raw, &mut reader.data)?;
        if !more {
            self.rows.store(reader.cursor.rows(), Ordering::Relaxed);
        }
        Ok(more)
    }

    /// Reads pieces until there are at least `least` bytes, or the end; `None` if that has come before.
    pub(in crate::ffi::capi) fn gather(
        &self,
        reader: &mut Reader,
        raw: &mut RawSession<'_>,
        least: usize,
    ) -> crate::Result<Option<Vec<u8>>> {
        let mut gathered = Vec::new();
        while gathered.len() < least && self.take(reader, raw)? {
            gathered.extend_from_slice(&reader.data);
        }
        Ok((!gathered.is_empty()).then_some(gathered))
    }

    pub(in crate::ffi::capi) fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }
}

/// Begins a COPY ... FROM STDIN and puts it into *copy. Blocks until the server is ready for data, at most for the deadline of
/// the connection. HOLDFAST_STATUS_DATABASE if the server refuses, HOLDFAST_STATUS_MISUSE if the statement is something else.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_connection_copy_in(
    connection: *mut holdfast_connection,
    sql: *const c_char,
    sql_len: usize,
    copy: *mut *mut holdfast_copy_in,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: `copy` is NULL or writable, `connection` NULL or live; the text is readable as it says.
        let (out, checkout, sql) =
            unsafe { (Out::new(copy, "copy")?, hold(connection.cast_const())?, text(sql, sql_len, "sql")?) };
        let cursor = checkout.with(|conn| with_raw(conn, |raw| raw.open_copy_in(sql)))?;
        out.set(CopyIn::new(checkout.watch(), cursor));
        Ok(())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Sends len bytes of data, which may be cut anywhere, also inside a row; small pieces are gathered. Blocks while the server
/// cannot keep up, at most for the deadline of the connection. HOLDFAST_STATUS_DATABASE if the server has refused the data so
/// far, which may also show later or at the end: the copy is then over.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_copy_in_write(
    copy: *mut holdfast_copy_in,
    data: *const c_void,
    len: usize,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: `copy` is NULL or live; the data is readable as it says.
        let (copy, data) = unsafe { (hold(copy.cast_const())?, bytes(data.cast(), len, "data")?) };
        copy.check_whole()?;
        copy.cursor.with::<holdfast_copy_in, _>(|cursor, raw| cursor.write(raw, data))
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Ends the data, and puts the number of rows copied into *rows if it is not NULL. The copy is over, whatever comes of it;
/// the handle stays valid until it is freed. Blocks until the server has taken it all in, at most for the deadline of the
/// connection. HOLDFAST_STATUS_DATABASE if the server refuses the data: nothing of it stays.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_copy_in_finish(
    copy: *mut holdfast_copy_in,
    rows: *mut u64,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: `copy` is NULL or live.
        let copy = unsafe { hold(copy.cast_const())? };
        copy.check_whole()?;
        let copied = copy.cursor.with::<holdfast_copy_in, _>(|cursor, raw| cursor.finish(raw))?;
        if !rows.is_null() {
            // SAFETY: writable, as the caller promises.
            unsafe { rows.write(copied) };
        }
        Ok(())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Gives the copy up: nothing of it stays. The reason appears in the server's log. The copy is over; the handle stays valid
/// until it is freed. HOLDFAST_STATUS_OK if the server has given it up too, which may take the deadline of the connection.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_copy_in_abort(
    copy: *mut holdfast_copy_in,
    reason: *const c_char,
    reason_len: usize,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: `copy` is NULL or live; the text is readable as it says.
        let (copy, reason) = unsafe { (hold(copy.cast_const())?, text(reason, reason_len, "reason")?) };
        copy.cursor.with::<holdfast_copy_in, _>(|cursor, raw| cursor.abort(raw, reason))
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Frees a COPY FROM STDIN. NULL is allowed. One that was not finished is given up: nothing of it stays; the server is
/// notified before the next statement of the connection, or when the connection goes back. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_copy_in_free(copy: *mut holdfast_copy_in) {
    // SAFETY: the caller gives NULL or a live copy, and does not use it again.
    unsafe { free(copy) }
}

/// Begins a COPY ... TO STDOUT and puts it into *copy. Blocks until the server has accepted it, at most for the deadline of the
/// connection. HOLDFAST_STATUS_DATABASE if the server refuses, HOLDFAST_STATUS_MISUSE if the statement is something else.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_connection_copy_out(
    connection: *mut holdfast_connection,
    sql: *const c_char,
    sql_len: usize,
    copy: *mut *mut holdfast_copy_out,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: `copy` is NULL or writable, `connection` NULL or live; the text is readable as it says.
        let (out, checkout, sql) =
            unsafe { (Out::new(copy, "copy")?, hold(connection.cast_const())?, text(sql, sql_len, "sql")?) };
        let cursor = checkout.with(|conn| with_raw(conn, |raw| raw.open_copy_out(sql)))?;
        out.set(CopyOut::new(checkout.watch(), cursor));
        Ok(())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Puts the next piece of data into *data: one row, its newline included, in text and CSV format. {NULL, 0} at the end, and
/// HOLDFAST_STATUS_OK. It belongs to the copy, and is valid until the next call on it or until it is freed. Blocks until data
/// has come, at most for the deadline of the connection. HOLDFAST_STATUS_DATABASE and others if the statement fails on its
/// way: the copy is then over. HOLDFAST_STATUS_MISUSE after that, and when the connection was given back.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_copy_out_read(
    copy: *mut holdfast_copy_out,
    data: *mut holdfast_cell,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        if data.is_null() {
            return Err(Failure::null("data"));
        }
        // SAFETY: writable, as the caller promises.
        unsafe { data.write(holdfast_cell { ptr: ptr::null(), len: 0 }) };
        // SAFETY: `copy` is NULL or live.
        let copy = unsafe { hold(copy.cast_const())? };
        copy.reader.with::<holdfast_copy_out, _>(|reader, raw| {
            if copy.take(reader, raw)? {
                let piece = holdfast_cell { len: reader.data.len(), ptr: reader.ended() };
                // SAFETY: as above.
                unsafe { data.write(piece) };
            }
            Ok(())
        })
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

impl Reader {
    /// The first byte of the data, with a NUL behind the last.
    fn ended(&mut self) -> *const u8 {
        self.data.push(0);
        self.data.as_ptr()
    }
}

/// The number of rows copied, once the end was read; 0 before. Any thread; does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_copy_out_rows(copy: *const holdfast_copy_out) -> u64 {
    // SAFETY: the caller gives NULL or a live copy.
    or_default(0, || Ok(unsafe { look(copy)? }.rows()))
}

/// Frees a COPY TO STDOUT. NULL is allowed. Before its end, it gives the rest up: that is cancelled and skipped before the
/// next statement of the connection, or when the connection goes back. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_copy_out_free(copy: *mut holdfast_copy_out) {
    // SAFETY: the caller gives NULL or a live copy, and does not use it again.
    unsafe { free(copy) }
}

/// The data of a chunk. It belongs to the chunk. {NULL, 0} for NULL. Any thread; does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_chunk_data(chunk: *const holdfast_chunk) -> holdfast_cell {
    or_default(holdfast_cell { ptr: ptr::null(), len: 0 }, || {
        // SAFETY: the caller gives NULL or a live chunk.
        let data = &unsafe { look(chunk)? }.0;
        Ok(holdfast_cell { ptr: data.as_ptr(), len: data.len() - 1 })
    })
}

/// Frees a chunk. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_chunk_free(chunk: *mut holdfast_chunk) {
    // SAFETY: the caller gives NULL or a live chunk, and does not use it again.
    unsafe { free(chunk) }
}
