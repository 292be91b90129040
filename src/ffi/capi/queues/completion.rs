//! Completions.
//!
//! A completion says what became of one request, or of a part of it. Which handles it has depends on the request; the others
//! are NULL.

use std::mem::{offset_of, size_of};
use std::ptr;

use crate::ffi::capi::boundary::guard::{Failure, micros};
use crate::ffi::capi::boundary::handle::{free, give};
use crate::ffi::capi::connections::connection::{CheckedOut, holdfast_connection};
use crate::ffi::capi::connections::message::holdfast_notices;
use crate::ffi::capi::library::error::{ServerFields, holdfast_error};
use crate::ffi::capi::library::status::{self, holdfast_status};
use crate::ffi::capi::results::pack::{Pack, holdfast_pack};
use crate::ffi::capi::results::result::{Block, Blocks, holdfast_result, holdfast_results};
use crate::ffi::capi::statements::copy::{
    Chunk, CopyIn, CopyOut, holdfast_chunk, holdfast_copy_in, holdfast_copy_out,
};
use crate::ffi::capi::statements::pipeline::{Outcomes, holdfast_outcomes};
use crate::ffi::capi::statements::statement::{Prepared, holdfast_statement};
use crate::ffi::capi::statements::stream::{Stream, holdfast_stream};
use crate::queue::{Answer, Completion, Kind, Trouble};

/// As holdfast_completion.kind: which function the request was submitted with.
pub const HOLDFAST_SUBMIT_QUERY: i32 = 1;
/// holdfast_submit_execute.
pub const HOLDFAST_SUBMIT_EXECUTE: i32 = 2;
/// holdfast_submit_acquire.
pub const HOLDFAST_SUBMIT_ACQUIRE: i32 = 3;
/// holdfast_submit_transaction.
pub const HOLDFAST_SUBMIT_TRANSACTION: i32 = 4;
/// holdfast_submit_connection_query.
pub const HOLDFAST_SUBMIT_CONNECTION_QUERY: i32 = 5;
/// holdfast_submit_connection_script.
pub const HOLDFAST_SUBMIT_CONNECTION_SCRIPT: i32 = 6;
/// holdfast_submit_pipeline.
pub const HOLDFAST_SUBMIT_PIPELINE: i32 = 7;
/// holdfast_submit_connection_execute.
pub const HOLDFAST_SUBMIT_CONNECTION_EXECUTE: i32 = 8;
/// holdfast_submit_connection_pipeline.
pub const HOLDFAST_SUBMIT_CONNECTION_PIPELINE: i32 = 9;
/// holdfast_submit_connection_begin.
pub const HOLDFAST_SUBMIT_CONNECTION_BEGIN: i32 = 10;
/// holdfast_submit_connection_commit.
pub const HOLDFAST_SUBMIT_CONNECTION_COMMIT: i32 = 11;
/// holdfast_submit_connection_rollback.
pub const HOLDFAST_SUBMIT_CONNECTION_ROLLBACK: i32 = 12;
/// holdfast_submit_script.
pub const HOLDFAST_SUBMIT_SCRIPT: i32 = 13;
/// holdfast_submit_connection_stream.
pub const HOLDFAST_SUBMIT_CONNECTION_STREAM: i32 = 14;
/// holdfast_submit_stream_next.
pub const HOLDFAST_SUBMIT_STREAM_NEXT: i32 = 15;
/// holdfast_submit_connection_copy_in.
pub const HOLDFAST_SUBMIT_CONNECTION_COPY_IN: i32 = 16;
/// holdfast_submit_copy_in_write.
pub const HOLDFAST_SUBMIT_COPY_IN_WRITE: i32 = 17;
/// holdfast_submit_copy_in_finish.
pub const HOLDFAST_SUBMIT_COPY_IN_FINISH: i32 = 18;
/// holdfast_submit_copy_in_abort.
pub const HOLDFAST_SUBMIT_COPY_IN_ABORT: i32 = 19;
/// holdfast_submit_connection_copy_out.
pub const HOLDFAST_SUBMIT_CONNECTION_COPY_OUT: i32 = 20;
/// holdfast_submit_copy_out_read.
pub const HOLDFAST_SUBMIT_COPY_OUT_READ: i32 = 21;
/// holdfast_submit_connection_prepare.
pub const HOLDFAST_SUBMIT_CONNECTION_PREPARE: i32 = 22;
/// holdfast_submit_connection_savepoint.
pub const HOLDFAST_SUBMIT_CONNECTION_SAVEPOINT: i32 = 23;
/// holdfast_submit_connection_rollback_to.
pub const HOLDFAST_SUBMIT_CONNECTION_ROLLBACK_TO: i32 = 24;
/// holdfast_submit_connection_release_savepoint.
pub const HOLDFAST_SUBMIT_CONNECTION_RELEASE_SAVEPOINT: i32 = 25;
/// holdfast_submit_close.
pub const HOLDFAST_SUBMIT_CLOSE: i32 = 26;

/// The completion of a request. On success the handles that the request was for are set, else error is; the receiver
/// frees them.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct holdfast_completion {
    /// The user_data given with the request.
    pub tag: u64,
    /// The request's number.
    pub request: u64,
    /// As the blocking call would have returned it.
    pub status: holdfast_status,
    /// A HOLDFAST_SUBMIT_ constant.
    pub kind: i32,
    /// The rows of a single statement. Free it with holdfast_result_free.
    pub result: *mut holdfast_result,
    /// The results of a script, one for each statement. Free it with holdfast_results_free.
    pub results: *mut holdfast_results,
    /// The outcomes of a pipeline, one for each statement. Free it with holdfast_outcomes_free.
    pub outcomes: *mut holdfast_outcomes,
    /// The pack of a single statement with a packed result. Free it with holdfast_pack_free.
    pub pack: *mut holdfast_pack,
    /// The connection of holdfast_submit_acquire: give it back with holdfast_connection_release.
    pub connection: *mut holdfast_connection,
    /// The error, or NULL. Free it with holdfast_error_free.
    pub error: *mut holdfast_error,
    /// The time it waited until it ran, in microseconds: for its turn, and for a connection.
    pub queued_us: u64,
    /// The time it ran, in microseconds.
    pub running_us: u64,
    /// The stream of holdfast_submit_connection_stream. Free it with holdfast_stream_free.
    pub stream: *mut holdfast_stream,
    /// The copy of holdfast_submit_connection_copy_in. Free it with holdfast_copy_in_free.
    pub copy_in: *mut holdfast_copy_in,
    /// The copy of holdfast_submit_connection_copy_out. Free it with holdfast_copy_out_free.
    pub copy_out: *mut holdfast_copy_out,
    /// Data of holdfast_submit_copy_out_read, or NULL at the end. Free it with holdfast_chunk_free.
    pub chunk: *mut holdfast_chunk,
    /// The statement of holdfast_submit_connection_prepare. Free it with holdfast_statement_free.
    pub statement: *mut holdfast_statement,
    /// The number of rows that a COPY has copied, at its end; else 0.
    pub rows: u64,
    /// With more=1 the number of the statement of a pipeline that this is the outcome of, from 0; else 0.
    pub index: u64,
    /// 1 if further completions of the same request follow, as of a pipeline in parts; else 0.
    pub more: i32,
    /// Always 0.
    pub reserved: u32,
    /// Of holdfast_submit_close the fields of this name in holdfast_close_report, else 0: running_us is the time that it took.
    pub idle_closed: u32,
    /// See idle_closed.
    pub returned: u32,
    /// See idle_closed.
    pub cancelled: u32,
    /// See idle_closed.
    pub cut: u32,
    /// What the server remarked while the request ran, if its options have notices=1, else NULL; NULL if there was nothing. With
    /// the last completion of a request in parts. On a connection in hand with what holdfast_connection_notices would have had
    /// before. Free it with holdfast_notices_free.
    pub notices: *mut holdfast_notices,
}

/// The value of a step on a connection in hand.
pub(super) enum Given {
    Stream(Stream),
    CopyIn(CopyIn),
    CopyOut(CopyOut),
    Chunk(Chunk),
    Statement(Prepared),
    Rows(u64),
}

impl From<Given> for Answer {
    fn from(given: Given) -> Self {
        Self::Given(Box::new(given))
    }
}

const STEPS: &str = "steps say it so";

/// As much of the struct as every caller knows: what it had at first.
pub(super) const LEAST_BYTES: usize = offset_of!(holdfast_completion, stream);

/// # Safety
/// `place` is writable for `size` bytes, at least [`LEAST_BYTES`].
pub(super) unsafe fn put(place: *mut u8, size: usize, completion: Completion) {
    let known = size_of::<holdfast_completion>().min(size);
    let described = described(completion);
    // SAFETY: as promised; what the caller's struct has beyond ours is zeroed.
    unsafe {
        ptr::copy_nonoverlapping((&raw const described).cast::<u8>(), place, known);
        ptr::write_bytes(place.add(known), 0, size - known);
    }
    if known < size_of::<holdfast_completion>() {
        free_unknown(&described, known);
    }
}

/// Frees the handles that the caller's struct has no room for: another part of the program submitted for them.
#[cold]
fn free_unknown(described: &holdfast_completion, known: usize) {
    macro_rules! free_beyond {
        ($($field:ident)*) => {
            $(if offset_of!(holdfast_completion, $field) + size_of::<*mut ()>() > known {
                // SAFETY: NULL, or a handle that was made a moment ago, of which nobody else knows.
                unsafe { free(described.$field) };
            })*
        };
    }
    free_beyond!(stream copy_in copy_out chunk statement notices);
}

fn described(completion: Completion) -> holdfast_completion {
    let mut told = holdfast_completion {
        tag: completion.tag,
        request: completion.request,
        status: status::HOLDFAST_STATUS_OK,
        kind: kind(completion.kind),
        result: ptr::null_mut(),
        results: ptr::null_mut(),
        outcomes: ptr::null_mut(),
        pack: ptr::null_mut(),
        connection: ptr::null_mut(),
        error: ptr::null_mut(),
        queued_us: micros(completion.queued),
        running_us: micros(completion.running),
        stream: ptr::null_mut(),
        copy_in: ptr::null_mut(),
        copy_out: ptr::null_mut(),
        chunk: ptr::null_mut(),
        statement: ptr::null_mut(),
        rows: 0,
        index: completion.part.unwrap_or(0) as u64,
        more: i32::from(completion.part.is_some()),
        reserved: 0,
        idle_closed: 0,
        returned: 0,
        cancelled: 0,
        cut: 0,
        notices: match &completion.notices[..] {
            [] => ptr::null_mut(),
            notices => give(notices.iter().map(ServerFields::new).collect::<Vec<_>>()),
        },
    };
    match completion.outcome {
        Ok(Answer::Result(block)) => told.result = give(Block::new(block)),
        Ok(Answer::Results(blocks)) => told.results = give(Blocks::new(blocks)),
        Ok(Answer::Pack(pack)) => told.pack = give(Pack::aligned(pack)),
        Ok(Answer::Outcomes(outcomes, target)) => told.outcomes = give(Outcomes::new(outcomes, &target)),
        Ok(Answer::Connection(conn)) => told.connection = give(CheckedOut::new(conn)),
        Ok(Answer::Given(given)) => match *given.downcast().unwrap_or_else(|_| unreachable!("{STEPS}")) {
            Given::Stream(stream) => told.stream = give(stream),
            Given::CopyIn(copy) => told.copy_in = give(copy),
            Given::CopyOut(copy) => told.copy_out = give(copy),
            Given::Chunk(chunk) => told.chunk = give(chunk),
            Given::Statement(statement) => told.statement = give(statement),
            Given::Rows(rows) => told.rows = rows,
        },
        Ok(Answer::Closed(report)) => {
            (told.idle_closed, told.returned) = (report.idle_closed, report.returned);
            (told.cancelled, told.cut) = (report.cancelled, report.cut);
        }
        Ok(Answer::Done) => {}
        Err(trouble) => {
            let failure = match trouble {
                Trouble::Error(error) => Failure::Core(error),
                Trouble::Panic(payload) => Failure::panic(&*payload),
                Trouble::Given(said) => said
                    .downcast()
                    .map_or_else(|_| unreachable!("bodies of transactions say it so"), |failure| *failure),
            };
            told.status = status::of_failure(&failure);
            told.error = failure.into_object();
        }
    }
    told
}

fn kind(kind: Kind) -> i32 {
    match kind {
        Kind::Query => HOLDFAST_SUBMIT_QUERY,
        Kind::Execute => HOLDFAST_SUBMIT_EXECUTE,
        Kind::Acquire => HOLDFAST_SUBMIT_ACQUIRE,
        Kind::Transaction => HOLDFAST_SUBMIT_TRANSACTION,
        Kind::Pipeline => HOLDFAST_SUBMIT_PIPELINE,
        Kind::ConnectionQuery => HOLDFAST_SUBMIT_CONNECTION_QUERY,
        Kind::ConnectionScript => HOLDFAST_SUBMIT_CONNECTION_SCRIPT,
        Kind::ConnectionExecute => HOLDFAST_SUBMIT_CONNECTION_EXECUTE,
        Kind::ConnectionPipeline => HOLDFAST_SUBMIT_CONNECTION_PIPELINE,
        Kind::ConnectionBegin => HOLDFAST_SUBMIT_CONNECTION_BEGIN,
        Kind::ConnectionCommit => HOLDFAST_SUBMIT_CONNECTION_COMMIT,
        Kind::ConnectionRollback => HOLDFAST_SUBMIT_CONNECTION_ROLLBACK,
        Kind::Script => HOLDFAST_SUBMIT_SCRIPT,
        Kind::ConnectionStream => HOLDFAST_SUBMIT_CONNECTION_STREAM,
        Kind::StreamNext => HOLDFAST_SUBMIT_STREAM_NEXT,
        Kind::ConnectionCopyIn => HOLDFAST_SUBMIT_CONNECTION_COPY_IN,
        Kind::CopyInWrite => HOLDFAST_SUBMIT_COPY_IN_WRITE,
        Kind::CopyInFinish => HOLDFAST_SUBMIT_COPY_IN_FINISH,
        Kind::CopyInAbort => HOLDFAST_SUBMIT_COPY_IN_ABORT,
        Kind::ConnectionCopyOut => HOLDFAST_SUBMIT_CONNECTION_COPY_OUT,
        Kind::CopyOutRead => HOLDFAST_SUBMIT_COPY_OUT_READ,
        Kind::ConnectionPrepare => HOLDFAST_SUBMIT_CONNECTION_PREPARE,
        Kind::ConnectionSavepoint => HOLDFAST_SUBMIT_CONNECTION_SAVEPOINT,
        Kind::ConnectionRollbackTo => HOLDFAST_SUBMIT_CONNECTION_ROLLBACK_TO,
        Kind::ConnectionReleaseSavepoint => HOLDFAST_SUBMIT_CONNECTION_RELEASE_SAVEPOINT,
        Kind::Close => HOLDFAST_SUBMIT_CLOSE,
    }
}
