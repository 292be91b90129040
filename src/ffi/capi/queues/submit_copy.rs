//! Submitting for COPY.
//!
//! A COPY is begun on a connection in hand, and each piece of its data is a request of its own: of data for a table the
//! completion says that the library took it, so that a program which keeps few of them under way is held back with the server;
//! data out of a table is read only when it is submitted for. These requests run in order with all others of the connection (see
//! above), on which other statements end with HOLDFAST_STATUS_MISUSE until the copy is over. Cancelling one that runs has the
//! server cancel the statement, and so ends the copy.

use std::ffi::{c_char, c_void};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use super::completion::Given;
use super::queue::holdfast_queue;
use super::submit::holdfast_submit_options;
use super::submit_connection::{OfText, step, submit_held};
use super::submit_options::Options;
use crate::ffi::capi::boundary::guard::{Failure, Outcome, guard};
use crate::ffi::capi::boundary::handle::{Object, hold};
use crate::ffi::capi::connections::connection::holdfast_connection;
use crate::ffi::capi::library::error::holdfast_error;
use crate::ffi::capi::library::status::holdfast_status;
use crate::ffi::capi::library::text::{bytes, text};
use crate::ffi::capi::statements::copy::{Chunk, CopyIn, CopyOut, holdfast_copy_in, holdfast_copy_out};
use crate::queue::{Answer, Kind};
use crate::session::{CopyInCursor, RawSession};

/// A request for a copy into a table, as C gave it.
struct IntoTable {
    copy: *mut holdfast_copy_in,
    queue: *const holdfast_queue,
    tag: u64,
    options: *const holdfast_submit_options,
    request: *mut u64,
    kind: Kind,
}

impl IntoTable {
    /// Submits what `run` makes for the copy, which is returned.
    ///
    /// # Safety
    /// The handles are NULL or live, `request` NULL or writable; the options are NULL or as large as they say.
    unsafe fn submit<R>(self, run: impl FnOnce(Arc<Object<CopyIn>>) -> R) -> Outcome<Arc<Object<CopyIn>>>
    where
        R: FnOnce(&mut CopyInCursor, &mut RawSession<'_>) -> crate::Result<Answer> + Send + 'static,
    {
        // SAFETY: as promised.
        let (options, copy) =
            unsafe { (Options::read_unpacked(self.options)?, hold(self.copy.cast_const())?) };
        let held = copy.cursor.connection::<holdfast_copy_in>()?;
        let copy = copy.keep();
        let (run, kept) = (run(copy.clone()), copy.clone());
        let task = step(move |raw| copy.cursor.step(raw, run));
        let submission = options.submission(self.tag, self.kind, task);
        // SAFETY: as promised.
        unsafe { submit_held(held, self.queue, submission, self.request)? };
        Ok(kept)
    }
}

/// Whether data left a gap in its copy: it was accepted, and dropped before it was tried. Either may be known first.
#[derive(Default)]
struct Gap(AtomicU8);

const ACCEPTED: u8 = 1;
const DROPPED: u8 = 2;

impl Gap {
    fn note(&self, what: u8, copy: &CopyIn) {
        if self.0.fetch_or(what, Ordering::Relaxed) | what == ACCEPTED | DROPPED {
            copy.note_gap();
        }
    }
}

/// Data on its way into a copy.
struct Piece {
    copy: Arc<Object<CopyIn>>,
    data: Vec<u8>,
    gap: Arc<Gap>,
    was_tried: bool,
}

impl Piece {
    fn send(mut self, cursor: &mut CopyInCursor, raw: &mut RawSession<'_>) -> crate::Result<Answer> {
        self.was_tried = true;
        self.copy.check_whole()?;
        cursor.write(raw, &self.data).map(|()| Answer::Done)
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        if !self.was_tried {
            self.gap.note(DROPPED, &self.copy);
        }
    }
}

/// Submits the beginning of a COPY ... FROM STDIN on a connection in hand, as holdfast_connection_copy_in does it;
/// completion.copy_in. If the queue is freed before the completion was drained, the copy ends as by holdfast_copy_in_free.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_submit_connection_copy_in(
    connection: *mut holdfast_connection,
    queue: *const holdfast_queue,
    tag: u64,
    options: *const holdfast_submit_options,
    sql: *const c_char,
    sql_len: usize,
    request: *mut u64,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let (text, text_len, text_is, kind) = (sql, sql_len, "sql", Kind::ConnectionCopyIn);
    let given = OfText { connection, queue, tag, options, text, text_len, text_is, request, kind };
    // SAFETY: the caller's promises are those that are asked for.
    unsafe {
        given.submit(error, |raw, sql, connection| {
            Ok(Given::CopyIn(CopyIn::new(connection, raw.open_copy_in(sql)?)).into())
        })
    }
}

/// Submits len bytes of data, which are copied, as holdfast_copy_in_write sends them. Its completion comes when the library has
/// taken them in: gathered or sent, which waits for a server that cannot keep up. Submit the next piece when that comes, or have
/// a few under way: what is submitted is in memory until then. An error of the server may come with a later piece, or at the
/// end; the copy is then over, and what is submitted of it still ends with HOLDFAST_STATUS_MISUSE. If a piece is cancelled, or its
/// queue freed, before it was sent, the copy cannot go on: pieces and the end then give HOLDFAST_STATUS_MISUSE, so that no data
/// with a gap is committed.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_submit_copy_in_write(
    copy: *mut holdfast_copy_in,
    queue: *const holdfast_queue,
    tag: u64,
    options: *const holdfast_submit_options,
    data: *const c_void,
    len: usize,
    request: *mut u64,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    // SAFETY: `copy` and `queue` are NULL or live, `request` NULL or writable; data and options are readable as they say.
    let body = || unsafe {
        let data = bytes(data.cast(), len, "data")?.to_vec();
        let given = IntoTable { copy, queue, tag, options, request, kind: Kind::CopyInWrite };
        let gap = Arc::new(Gap::default());
        let kept = given.submit(|copy| {
            let piece = Piece { copy, data, gap: gap.clone(), was_tried: false };
            move |cursor: &mut CopyInCursor, raw: &mut RawSession<'_>| piece.send(cursor, raw)
        })?;
        gap.note(ACCEPTED, &kept);
        Ok(())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Submits the end of the data, as holdfast_copy_in_finish does it; completion.rows. It runs after all pieces submitted before,
/// also after one that failed: then it ends with HOLDFAST_STATUS_MISUSE, and nothing of the copy stays.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_submit_copy_in_finish(
    copy: *mut holdfast_copy_in,
    queue: *const holdfast_queue,
    tag: u64,
    options: *const holdfast_submit_options,
    request: *mut u64,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    // SAFETY: `copy` and `queue` are NULL or live, `request` NULL or writable; the options are NULL or as large as they say.
    let body = || unsafe {
        let given = IntoTable { copy, queue, tag, options, request, kind: Kind::CopyInFinish };
        let finish = |copy: Arc<Object<CopyIn>>| {
            move |cursor: &mut CopyInCursor, raw: &mut RawSession<'_>| {
                copy.check_whole()?;
                Ok(Given::Rows(cursor.finish(raw)?).into())
            }
        };
        given.submit(finish).map(drop)
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Submits the giving up of a copy into a table, as holdfast_copy_in_abort does it: nothing of it stays.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_submit_copy_in_abort(
    copy: *mut holdfast_copy_in,
    queue: *const holdfast_queue,
    tag: u64,
    options: *const holdfast_submit_options,
    reason: *const c_char,
    reason_len: usize,
    request: *mut u64,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    // SAFETY: `copy` and `queue` are NULL or live, `request` NULL or writable; text and options are readable as they say.
    let body = || unsafe {
        let reason = text(reason, reason_len, "reason")?.to_owned();
        let given = IntoTable { copy, queue, tag, options, request, kind: Kind::CopyInAbort };
        let abort = move |cursor: &mut CopyInCursor, raw: &mut RawSession<'_>| {
            cursor.abort(raw, &reason).map(|()| Answer::Done)
        };
        given.submit(|_| abort).map(drop)
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Submits the beginning of a COPY ... TO STDOUT on a connection in hand, as holdfast_connection_copy_out does it;
/// completion.copy_out. If the queue is freed before the completion was drained, the copy ends as by holdfast_copy_out_free.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_submit_connection_copy_out(
    connection: *mut holdfast_connection,
    queue: *const holdfast_queue,
    tag: u64,
    options: *const holdfast_submit_options,
    sql: *const c_char,
    sql_len: usize,
    request: *mut u64,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let (text, text_len, text_is, kind) = (sql, sql_len, "sql", Kind::ConnectionCopyOut);
    let given = OfText { connection, queue, tag, options, text, text_len, text_is, request, kind };
    // SAFETY: the caller's promises are those that are asked for.
    unsafe {
        given.submit(error, |raw, sql, connection| {
            Ok(Given::CopyOut(CopyOut::new(connection, raw.open_copy_out(sql)?)).into())
        })
    }
}

/// Submits for the next data of a copy: whole rows in text and CSV format, gathered until they are min_bytes (1 for one row; 65536
/// suits most) or the end has come; completion.chunk. That is NULL at the end, with HOLDFAST_STATUS_OK and completion.rows.
/// min_bytes is not 0. deadline_ms of the options is for this data; the connection is lost when it passes.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_submit_copy_out_read(
    copy: *mut holdfast_copy_out,
    queue: *const holdfast_queue,
    tag: u64,
    options: *const holdfast_submit_options,
    min_bytes: usize,
    request: *mut u64,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    // SAFETY: `copy` and `queue` are NULL or live, `request` NULL or writable; the options are NULL or as large as they say.
    let body = || unsafe {
        let options = Options::read_unpacked(options)?;
        if min_bytes == 0 {
            return Err(Failure::argument("min_bytes cannot be 0"));
        }
        let copy = hold(copy.cast_const())?;
        let held = copy.reader.connection::<holdfast_copy_out>()?;
        let copy = copy.keep();
        let task = step(move |raw| {
            let data = copy.reader.step(raw, |reader, raw| copy.gather(reader, raw, min_bytes))?;
            Ok(data.map_or_else(|| Given::Rows(copy.rows()), |data| Given::Chunk(Chunk::new(data))).into())
        });
        submit_held(held, queue, options.submission(tag, Kind::CopyOutRead, task), request)
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}
