//! Pipelines.
//!
//! Many statements in one call: all are sent at once, and their replies read in order, so that they cost one round trip
//! instead of one each.

use std::ffi::c_char;
use std::ops::Range;
use std::{ptr, slice};

use super::query::{add_parameters, check_types, holdfast_param, result_format, with_raw};
use super::statement::holdfast_statement;
use crate::error::Error;
use crate::ffi::capi::boundary::guard::{Failure, Out, Outcome, guard, or_default};
use crate::ffi::capi::boundary::handle::{Held, Kept, free, handle, hold, look};
use crate::ffi::capi::connections::connection::holdfast_connection;
use crate::ffi::capi::library::error::holdfast_error;
use crate::ffi::capi::library::status::holdfast_status;
use crate::ffi::capi::library::text::text;
use crate::ffi::capi::results::result::{Block, holdfast_result};
use crate::session::{Param, PipelineMode, Request, ResultBlock, ResultFormat, Sql};

/// Each statement stands alone: outside a transaction it commits by itself, and a failure does not touch the others.
pub const HOLDFAST_PIPELINE_SEPARATE: i32 = 0;
/// All or nothing: if one fails, those before it are undone and those behind it not run. Outside a transaction they make
/// one, which is committed at the end; inside one, it has failed. The statements must not begin or end transactions.
pub const HOLDFAST_PIPELINE_TOGETHER: i32 = 1;

/// A statement of a pipeline. This struct does not grow.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct holdfast_request {
    /// The text of one statement. The same pointer and length as in the request before is the cheapest.
    pub sql: *const c_char,
    /// Its length in bytes, or HOLDFAST_NUL.
    pub sql_len: usize,
    /// A prepared statement, which runs instead of sql; or NULL.
    pub statement: *const holdfast_statement,
    /// The parameters; NULL if there are none.
    pub params: *const holdfast_param,
    /// How many.
    pub nparams: usize,
    /// A HOLDFAST_FORMAT_ constant. HOLDFAST_FORMAT_AUTOMATIC costs a round trip for each statement that the connection has
    /// not prepared yet.
    pub result_format: i32,
    /// Always 0.
    pub reserved: u32,
}

/// The outcomes of the statements of a pipeline. They never change. Free them with holdfast_outcomes_free.
pub struct holdfast_outcomes {
    _opaque: [u8; 0],
}

handle!(holdfast_outcomes: Outcomes, b"hf-outcm");

pub struct Outcomes(Vec<Result<Kept<holdfast_result>, Kept<holdfast_error>>>);

impl Outcomes {
    /// `target` is the server, which errors of the session do not know.
    pub(in crate::ffi::capi) fn new(outcomes: Vec<crate::Result<ResultBlock>>, target: &str) -> Self {
        let named = |e: Error| if e.target().is_none() { e.at_target(target) } else { e };
        let kept = |outcome: crate::Result<ResultBlock>| match outcome {
            Ok(block) => Ok(Kept::new(Block::new(block))),
            Err(e) => Err(Kept::new(holdfast_error::describe(Failure::Core(named(e))))),
        };
        Self(outcomes.into_iter().map(kept).collect())
    }
}

/// The requests given by C, read and checked.
pub(in crate::ffi::capi) struct Batch<'a> {
    statements: Vec<Held<holdfast_statement>>,
    params: Vec<Param<'a>>,
    entries: Vec<Entry<'a>>,
}

struct Entry<'a> {
    what: What<'a>,
    params: Range<usize>,
    format: ResultFormat,
}

#[derive(Clone, Copy)]
enum What<'a> {
    Text(&'a str),
    /// By its place among the statements.
    Statement(usize),
}

impl<'a> Batch<'a> {
    /// # Safety
    /// `requests` is NULL or readable for `count` requests, with valid pointers to live statements, texts and
    /// parameters, which nothing changes while `'a` lasts.
    pub(in crate::ffi::capi) unsafe fn read(
        requests: *const holdfast_request,
        count: usize,
    ) -> Outcome<Self> {
        let mut batch = Self { statements: Vec::new(), params: Vec::new(), entries: Vec::new() };
        if count == 0 {
            return Ok(batch);
        }
        if requests.is_null() {
            return Err(Failure::null("requests"));
        }
        if count > isize::MAX as usize / size_of::<holdfast_request>() {
            return Err(Failure::argument(format!("{count} requests cannot be")));
        }
        // SAFETY: readable for `count` requests, as promised.
        let requests = unsafe { slice::from_raw_parts(requests, count) };
        batch.entries.reserve(count);
        let mut last = None;
        for (index, request) in requests.iter().enumerate() {
            // SAFETY: as promised.
            unsafe { batch.add(request, last) }.map_err(|failure| failure.in_request(index))?;
            last = Some(request);
        }
        Ok(batch)
    }

    /// # Safety
    /// As for [`Batch::read`].
    unsafe fn add(&mut self, request: &holdfast_request, last: Option<&holdfast_request>) -> Outcome {
        if request.reserved != 0 {
            return Err(Failure::argument("reserved must be 0"));
        }
        let format = result_format(request.result_format)?;
        let start = self.params.len();
        // SAFETY: as promised.
        unsafe { add_parameters(request.params, request.nparams, &mut self.params)? };
        let what = match (last, self.entries.last()) {
            (Some(last), Some(entry)) if is_same(request, last) => entry.what,
            // SAFETY: as promised.
            _ if request.statement.is_null() => {
                What::Text(unsafe { text(request.sql, request.sql_len, "sql")? })
            }
            _ => {
                // SAFETY: as promised.
                self.statements.push(unsafe { hold(request.statement)? });
                What::Statement(self.statements.len() - 1)
            }
        };
        if let What::Statement(place) = what {
            check_types(&self.statements[place].core, &self.params[start..])?;
        }
        self.entries.push(Entry { what, params: start..self.params.len(), format });
        Ok(())
    }

    pub(in crate::ffi::capi) fn requests(&self) -> Vec<Request<'_>> {
        let request = |entry: &Entry<'a>| Request {
            sql: match entry.what {
                What::Text(text) => Sql::Text(text),
                What::Statement(place) => Sql::Statement(&self.statements[place].core),
            },
            params: &self.params[entry.params.clone()],
            format: entry.format,
        };
        self.entries.iter().map(request).collect()
    }
}

/// Returns whether two requests run the same statement, by their pointers.
fn is_same(request: &holdfast_request, last: &holdfast_request) -> bool {
    ptr::eq(request.statement, last.statement)
        && (!request.statement.is_null()
            || (ptr::eq(request.sql, last.sql) && request.sql_len == last.sql_len))
}

pub(in crate::ffi::capi) fn mode(mode: i32) -> Outcome<PipelineMode> {
    match mode {
        HOLDFAST_PIPELINE_SEPARATE => Ok(PipelineMode::Separate),
        HOLDFAST_PIPELINE_TOGETHER => Ok(PipelineMode::Together),
        other => Err(Failure::argument(format!("mode cannot be {other}"))),
    }
}

/// Sends count statements at once, reads their replies, and puts what became of them into *outcomes, in the same order.
/// requests are only read during the call. mode is a HOLDFAST_PIPELINE_ constant. Statements that the connection has not
/// prepared yet are prepared on the way. HOLDFAST_STATUS_OK also if statements failed: see holdfast_outcomes_error. What the
/// call itself returns is about the connection (what became of the statements is then unknown), or about requests that
/// cannot be sent, and then none was: wrong parameters, or COPY FROM STDIN (HOLDFAST_STATUS_MISUSE). Blocks until all have
/// been answered; the deadline of the connection holds for them as a whole.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_connection_pipeline(
    connection: *mut holdfast_connection,
    requests: *const holdfast_request,
    count: usize,
    mode: i32,
    outcomes: *mut *mut holdfast_outcomes,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: `outcomes` is NULL or writable, `connection` NULL or live; the requests are readable as they say.
        let (out, checkout, batch) = unsafe {
            let out = Out::new(outcomes, "outcomes")?;
            (out, hold(connection.cast_const())?, Batch::read(requests, count)?)
        };
        let mode = self::mode(mode)?;
        out.set(checkout.with(|conn| {
            let done = with_raw(conn, |raw| raw.pipeline(&batch.requests(), mode))?;
            Ok(Outcomes::new(done, conn.target()))
        })?);
        Ok(())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// The number of statements; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_outcomes_count(outcomes: *const holdfast_outcomes) -> usize {
    // SAFETY: the caller gives NULL or live outcomes.
    or_default(0, || Ok(unsafe { look(outcomes)? }.0.len()))
}

/// The result of the statement of this index; NULL if it failed, or if there is none. It belongs to *outcomes and must not be
/// freed; to keep it for longer, use holdfast_result_clone.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_outcomes_result(
    outcomes: *const holdfast_outcomes,
    index: usize,
) -> *const holdfast_result {
    or_default(ptr::null(), || {
        // SAFETY: the caller gives NULL or live outcomes.
        let found = unsafe { look(outcomes)? }.0.get(index);
        Ok(found.and_then(|outcome| outcome.as_ref().ok()).map_or(ptr::null(), Kept::as_ptr))
    })
}

/// Why the statement of this index failed; NULL if it did not, or if there is none. It belongs to *outcomes and must not be
/// freed. HOLDFAST_STATUS_ROLLED_BACK is the status of those that were undone or not run because another one failed.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_outcomes_error(
    outcomes: *const holdfast_outcomes,
    index: usize,
) -> *const holdfast_error {
    or_default(ptr::null(), || {
        // SAFETY: the caller gives NULL or live outcomes.
        let found = unsafe { look(outcomes)? }.0.get(index);
        Ok(found.and_then(|outcome| outcome.as_ref().err()).map_or(ptr::null(), Kept::as_ptr))
    })
}

/// Frees the outcomes of a pipeline. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_outcomes_free(outcomes: *mut holdfast_outcomes) {
    // SAFETY: the caller gives NULL or live outcomes, and does not use them again.
    unsafe { free(outcomes) }
}
