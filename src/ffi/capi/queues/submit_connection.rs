//! Submitting to a connection in hand.
//!
//! Requests submitted to a connection run in that order, one after the other, however many connections other requests
//! wait for. Until all of them are done, calls that use the connection return HOLDFAST_STATUS_BUSY, and so do these
//! while such a call is under way. Else they are like those above. An event loop runs a transaction of statements that
//! depend on each other so: holdfast_submit_acquire, then holdfast_submit_connection_begin, statements, and
//! holdfast_submit_connection_commit.

use std::ffi::c_char;
use std::sync::Arc;

use super::completion::Given;
use super::queue::holdfast_queue;
use super::submit::{holdfast_submit_options, script, several, single, tell};
use super::submit_options::Options;
use crate::ffi::capi::boundary::guard::{Outcome, guard};
use crate::ffi::capi::boundary::handle::{Held, Watched, hold};
use crate::ffi::capi::connections::connection::holdfast_connection;
use crate::ffi::capi::connections::transaction::{holdfast_transaction_options, transaction_options};
use crate::ffi::capi::library::error::holdfast_error;
use crate::ffi::capi::library::status::holdfast_status;
use crate::ffi::capi::library::text::text;
use crate::ffi::capi::statements::pipeline::holdfast_request;
use crate::ffi::capi::statements::query::{What, holdfast_param};
use crate::ffi::capi::statements::statement::{Prepared, holdfast_statement, types};
use crate::queue::{Answer, HeldConnection, Kind, Step, Submission, Task, Ticket, Work};
use crate::session::RawSession;

/// # Safety
/// `connection` and `queue` are NULL or live, `request` is NULL or writable.
unsafe fn submit_on(
    connection: *mut holdfast_connection,
    queue: *const holdfast_queue,
    submission: Submission,
    request: *mut u64,
) -> Outcome {
    // SAFETY: as promised.
    unsafe { submit_held(hold(connection.cast_const())?, queue, submission, request) }
}

/// # Safety
/// `queue` is NULL or live, `request` is NULL or writable.
pub(super) unsafe fn submit_held(
    connection: Held<holdfast_connection>,
    queue: *const holdfast_queue,
    submission: Submission,
    request: *mut u64,
) -> Outcome {
    // SAFETY: as promised.
    let queue = unsafe { hold(queue)? };
    if matches!(submission.kind, Kind::ConnectionBegin | Kind::ConnectionCommit | Kind::ConnectionRollback) {
        connection.check_not_in_body()?;
    }
    let held: Arc<dyn HeldConnection> = connection.keep();
    let number = Ticket::submit_on(&queue.core, &held, submission)?;
    // SAFETY: as promised.
    unsafe { tell(request, number) };
    Ok(())
}

/// A step on a connection, as the work of a request.
pub(super) fn step(step: impl FnOnce(&mut RawSession<'_>) -> crate::Result<Answer> + Send + 'static) -> Task {
    Task::Run(Work::Step(Step::new(step)))
}

/// Submits one statement for a connection in hand, as holdfast_connection_query does it; completion.result.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_submit_connection_query(
    connection: *mut holdfast_connection,
    queue: *const holdfast_queue,
    tag: u64,
    options: *const holdfast_submit_options,
    sql: *const c_char,
    sql_len: usize,
    params: *const holdfast_param,
    nparams: usize,
    request: *mut u64,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    // SAFETY: `connection` and `queue` are NULL or live, `request` NULL or writable; text, parameters, options are readable as
    // they say.
    let body = || unsafe {
        let options = Options::read_in_hand(options)?;
        let task = single(What::Text(sql, sql_len), params, nparams, &options)?;
        submit_on(connection, queue, options.submission(tag, Kind::ConnectionQuery, task), request)
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Submits a prepared statement for a connection in hand, as holdfast_connection_execute does it; completion.result.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_submit_connection_execute(
    connection: *mut holdfast_connection,
    queue: *const holdfast_queue,
    tag: u64,
    options: *const holdfast_submit_options,
    statement: *const holdfast_statement,
    params: *const holdfast_param,
    nparams: usize,
    request: *mut u64,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    // SAFETY: `connection`, `queue` and `statement` are NULL or live, `request` NULL or writable; parameters and options are
    // readable as they say.
    let body = || unsafe {
        let options = Options::read_in_hand(options)?;
        let task = single(What::Statement(statement), params, nparams, &options)?;
        submit_on(connection, queue, options.submission(tag, Kind::ConnectionExecute, task), request)
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Submits a text of one or more statements for a connection in hand, as holdfast_connection_script does it;
/// completion.results.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_submit_connection_script(
    connection: *mut holdfast_connection,
    queue: *const holdfast_queue,
    tag: u64,
    options: *const holdfast_submit_options,
    sql: *const c_char,
    sql_len: usize,
    request: *mut u64,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    // SAFETY: `connection` and `queue` are NULL or live, `request` NULL or writable; text and options are readable as they
    // say.
    let body = || unsafe {
        let (options, task) = (Options::read_unpacked(options)?, script(sql, sql_len)?);
        submit_on(connection, queue, options.submission(tag, Kind::ConnectionScript, task), request)
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Submits count statements to be sent at once on a connection in hand, as holdfast_connection_pipeline does it;
/// completion.outcomes; or in parts, as holdfast_submit_pipeline says.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_submit_connection_pipeline(
    connection: *mut holdfast_connection,
    queue: *const holdfast_queue,
    tag: u64,
    options: *const holdfast_submit_options,
    requests: *const holdfast_request,
    count: usize,
    mode: i32,
    request: *mut u64,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    // SAFETY: `connection` and `queue` are NULL or live, `request` NULL or writable; requests and options are readable as they
    // say.
    let body = || unsafe {
        let options = Options::read_for_pipeline(options)?;
        let task = several(requests, count, mode, &options)?;
        submit_on(connection, queue, options.submission(tag, Kind::ConnectionPipeline, task), request)
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Submits the beginning of a transaction on a connection in hand, as holdfast_connection_begin does it.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_submit_connection_begin(
    connection: *mut holdfast_connection,
    queue: *const holdfast_queue,
    tag: u64,
    options: *const holdfast_submit_options,
    transaction_options: *const holdfast_transaction_options,
    request: *mut u64,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    // SAFETY: `connection` and `queue` are NULL or live, `request` NULL or writable; the options are NULL or as large as they
    // say.
    let body = || unsafe {
        let wanted = self::transaction_options(transaction_options)?;
        let task = Task::Run(Work::Begin { options: wanted });
        let options = Options::read_unpacked(options)?;
        submit_on(connection, queue, options.submission(tag, Kind::ConnectionBegin, task), request)
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Submits the commit of the transaction that is open on a connection in hand, as holdfast_connection_commit does it.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_submit_connection_commit(
    connection: *mut holdfast_connection,
    queue: *const holdfast_queue,
    tag: u64,
    options: *const holdfast_submit_options,
    request: *mut u64,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    // SAFETY: `connection` and `queue` are NULL or live, `request` NULL or writable; the options are NULL or as large as they
    // say.
    let body = || unsafe {
        let options = Options::read_unpacked(options)?;
        let task = Task::Run(Work::Commit);
        submit_on(connection, queue, options.submission(tag, Kind::ConnectionCommit, task), request)
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Submits the rollback of the transaction that is open on a connection in hand, as holdfast_connection_rollback does it.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_submit_connection_rollback(
    connection: *mut holdfast_connection,
    queue: *const holdfast_queue,
    tag: u64,
    options: *const holdfast_submit_options,
    request: *mut u64,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    // SAFETY: `connection` and `queue` are NULL or live, `request` NULL or writable; the options are NULL or as large as they
    // say.
    let body = || unsafe {
        let options = Options::read_unpacked(options)?;
        let task = Task::Run(Work::Rollback);
        submit_on(connection, queue, options.submission(tag, Kind::ConnectionRollback, task), request)
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Submits the preparation of a statement on a connection in hand, as holdfast_connection_prepare does it;
/// completion.statement, which may be run on any connection.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_submit_connection_prepare(
    connection: *mut holdfast_connection,
    queue: *const holdfast_queue,
    tag: u64,
    options: *const holdfast_submit_options,
    sql: *const c_char,
    sql_len: usize,
    types: *const u32,
    ntypes: usize,
    request: *mut u64,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    // SAFETY: `connection` and `queue` are NULL or live, `request` NULL or writable; text, types and options are readable as
    // they say.
    let body = || unsafe {
        let options = Options::read_unpacked(options)?;
        let (sql, types) = (text(sql, sql_len, "sql")?.to_owned(), self::types(types, ntypes)?.to_vec());
        let task = step(move |raw| {
            let statement = Prepared::new(&sql, raw.prepare(&sql, &types)?);
            Ok(Given::Statement(statement).into())
        });
        submit_on(connection, queue, options.submission(tag, Kind::ConnectionPrepare, task), request)
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// A request on a connection in hand that has one text: a statement or a name, as C gave it.
pub(super) struct OfText {
    pub(super) connection: *mut holdfast_connection,
    pub(super) queue: *const holdfast_queue,
    pub(super) tag: u64,
    pub(super) options: *const holdfast_submit_options,
    pub(super) text: *const c_char,
    pub(super) text_len: usize,
    /// What the text is called in messages.
    pub(super) text_is: &'static str,
    pub(super) request: *mut u64,
    pub(super) kind: Kind,
}

impl OfText {
    /// # Safety
    /// The handles are NULL or live, `request` and `error` NULL or writable; text and options are readable as they say.
    pub(super) unsafe fn submit(
        self,
        error: *mut *mut holdfast_error,
        run: fn(&mut RawSession<'_>, &str, Watched<holdfast_connection>) -> crate::Result<Answer>,
    ) -> holdfast_status {
        // SAFETY: as promised.
        let body = || unsafe {
            let options = Options::read_unpacked(self.options)?;
            let text = text(self.text, self.text_len, self.text_is)?.to_owned();
            let held = hold(self.connection.cast_const())?;
            let watched = held.watch();
            let task = step(move |raw| run(raw, &text, watched));
            submit_held(held, self.queue, options.submission(self.tag, self.kind, task), self.request)
        };
        // SAFETY: as promised.
        unsafe { guard(error, body) }
    }
}

/// Submits a savepoint on a connection in hand, as holdfast_connection_savepoint sets it.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_submit_connection_savepoint(
    connection: *mut holdfast_connection,
    queue: *const holdfast_queue,
    tag: u64,
    options: *const holdfast_submit_options,
    name: *const c_char,
    name_len: usize,
    request: *mut u64,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let (text, text_len, text_is, kind) = (name, name_len, "name", Kind::ConnectionSavepoint);
    let given = OfText { connection, queue, tag, options, text, text_len, text_is, request, kind };
    // SAFETY: the caller's promises are those that are asked for.
    unsafe { given.submit(error, |raw, name, _| raw.savepoint(name).map(|()| Answer::Done)) }
}

/// Submits the undoing of what was done since a savepoint, as holdfast_connection_rollback_to does it.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_submit_connection_rollback_to(
    connection: *mut holdfast_connection,
    queue: *const holdfast_queue,
    tag: u64,
    options: *const holdfast_submit_options,
    name: *const c_char,
    name_len: usize,
    request: *mut u64,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let (text, text_len, text_is, kind) = (name, name_len, "name", Kind::ConnectionRollbackTo);
    let given = OfText { connection, queue, tag, options, text, text_len, text_is, request, kind };
    // SAFETY: the caller's promises are those that are asked for.
    unsafe { given.submit(error, |raw, name, _| raw.rollback_to(name).map(|()| Answer::Done)) }
}

/// Submits the release of a savepoint, as holdfast_connection_release_savepoint does it.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_submit_connection_release_savepoint(
    connection: *mut holdfast_connection,
    queue: *const holdfast_queue,
    tag: u64,
    options: *const holdfast_submit_options,
    name: *const c_char,
    name_len: usize,
    request: *mut u64,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let (text, text_len, text_is, kind) = (name, name_len, "name", Kind::ConnectionReleaseSavepoint);
    let given = OfText { connection, queue, tag, options, text, text_len, text_is, request, kind };
    // SAFETY: the caller's promises are those that are asked for.
    unsafe { given.submit(error, |raw, name, _| raw.release_savepoint(name).map(|()| Answer::Done)) }
}
