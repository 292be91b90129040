//! Errors.
//!
//! Errors, written so that a person can act on them and a program can decide on them. A function that fails puts one
//! into *error if error is not NULL; on success it puts NULL there. Errors never change: all of these may be called
//! from any thread, and none blocks. Given NULL they answer as for success.

use std::ffi::c_int;
use std::ptr;

use super::gauges::fill_gauges;
use super::status::{self, HOLDFAST_STATUS_OK, holdfast_status};
use super::text::{EMPTY, Text, holdfast_str, literal};
use crate::error::{Attempt, Error, LimitedBy, ParameterCount, PoolSnapshot, ServerMessage, gauges};
use crate::ffi::capi::boundary::growable;
use crate::ffi::capi::boundary::growable::Growing;
use crate::ffi::capi::boundary::guard::{Failure, micros, or_default};
use crate::ffi::capi::boundary::handle::{another, free, handle, look};

/// The error of a call that failed. Free it with holdfast_error_free.
pub struct holdfast_error {
    _opaque: [u8; 0],
}

handle!(holdfast_error: Described, b"hf-error");

/// Severity: "ERROR", "FATAL" or "PANIC"; of notices "WARNING", "NOTICE", ... All fields have libpq's PG_DIAG_ codes.
pub const HOLDFAST_FIELD_SEVERITY: i32 = 83;
/// The five characters of the SQLSTATE.
pub const HOLDFAST_FIELD_SQLSTATE: i32 = 67;
/// The server's message.
pub const HOLDFAST_FIELD_MESSAGE: i32 = 77;
/// More about it.
pub const HOLDFAST_FIELD_DETAIL: i32 = 68;
/// The server's advice.
pub const HOLDFAST_FIELD_HINT: i32 = 72;
/// The place in the statement, as a decimal number of characters from 1.
pub const HOLDFAST_FIELD_POSITION: i32 = 80;
/// The place in a statement that the server generated.
pub const HOLDFAST_FIELD_INTERNAL_POSITION: i32 = 112;
/// That statement.
pub const HOLDFAST_FIELD_INTERNAL_QUERY: i32 = 113;
/// The server's context: its call stack of functions.
pub const HOLDFAST_FIELD_CONTEXT: i32 = 87;
/// The schema of the object concerned.
pub const HOLDFAST_FIELD_SCHEMA: i32 = 115;
/// The table concerned.
pub const HOLDFAST_FIELD_TABLE: i32 = 116;
/// The column concerned.
pub const HOLDFAST_FIELD_COLUMN: i32 = 99;
/// The data type concerned.
pub const HOLDFAST_FIELD_DATA_TYPE: i32 = 100;
/// The constraint concerned.
pub const HOLDFAST_FIELD_CONSTRAINT: i32 = 110;
/// The file of the server's source in which it was reported.
pub const HOLDFAST_FIELD_FILE: i32 = 70;
/// The line there.
pub const HOLDFAST_FIELD_LINE: i32 = 76;
/// The function there.
pub const HOLDFAST_FIELD_ROUTINE: i32 = 82;

/// A value of limited_by: nothing keeps limit below max_size.
pub const HOLDFAST_LIMITED_BY_NOTHING: i32 = 0;
// One for each limit.
include!(concat!(env!("OUT_DIR"), "/limited_by_constants.rs"));

pub(in crate::ffi::capi) fn limited_by(by: Option<LimitedBy>) -> i32 {
    by.map_or(HOLDFAST_LIMITED_BY_NOTHING, |by| by as i32)
}

/// The state of a pool when a call failed. Set struct_size before the call that fills it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct holdfast_snapshot {
    /// sizeof(holdfast_snapshot).
    pub struct_size: u32,
    /// The configured hard cap.
    pub max_size: u32,
    /// The cap in force: at most max_size, and less where the server was found to be full.
    pub limit: u32,
    /// Server connections that count against the cap: idle, in use, opening and closing.
    pub total: u32,
    /// Connections parked and ready.
    pub idle: u32,
    /// Connections checked out, or being cleaned after their return.
    pub in_use: u32,
    /// Connections being opened.
    pub opening: u32,
    /// Threads and submitted requests that wait for a connection.
    pub waiting: u32,
    /// The limit that keeps limit below max_size: a HOLDFAST_LIMITED_BY_ constant.
    pub limited_by: i32,
    /// The connections that fleet coordination allows this pool; 0 before its first census.
    pub fleet_share: u32,
    /// The number of pools of the fleet that hold connections, this one included; 0 as for fleet_share.
    pub fleet_peers: u32,
}

// SAFETY: repr(C), eight u32, an i32, two u32.
unsafe impl Growing for holdfast_snapshot {}

/// A failed attempt at opening a connection. Set struct_size before the call that fills it. The texts belong to the
/// error.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct holdfast_attempt {
    /// sizeof(holdfast_attempt).
    pub struct_size: u32,
    /// The kind of the failure that ended it.
    pub status: holdfast_status,
    /// The step in which it ended, as holdfast_error_phase.
    pub phase: holdfast_str,
    /// The SQLSTATE the server answered with; empty if it did not.
    pub sqlstate: holdfast_str,
    /// The cause in words.
    pub cause: holdfast_str,
    /// The server it was made at, as host:port or a socket path.
    pub target: holdfast_str,
    /// The time it took, in microseconds.
    pub took_us: u64,
    /// The wait before the next one, in microseconds; 0 after the last.
    pub backoff_us: u64,
    /// The time since it ended, in microseconds, as of this call.
    pub age_us: u64,
}

// SAFETY: repr(C); two u32, then pairs of pointer and length, then u64: no padding, and zero is a value of each.
unsafe impl Growing for holdfast_attempt {}

/// A failure in words that C can read.
#[derive(Default)]
pub struct Described {
    status: holdfast_status,
    pub(in crate::ffi::capi) message: Text,
    phase: Text,
    target: Text,
    pub(in crate::ffi::capi) server: ServerFields,
    pub(in crate::ffi::capi) retryable: bool,
    elapsed_us: u64,
    snapshot: Option<PoolSnapshot>,
    attempts: Vec<DescribedAttempt>,
    remedy: Text,
    parameter_count: Option<ParameterCount>,
    os_error: i32,
}

struct DescribedAttempt {
    phase: Text,
    sqlstate: Text,
    cause: Text,
    target: Text,
    core: Attempt,
}

impl DescribedAttempt {
    fn new(attempt: &Attempt) -> Self {
        Self {
            phase: Text::optional(attempt.phase.map(|p| p.name())),
            sqlstate: Text::optional(attempt.sqlstate.as_ref().map(|s| s.code())),
            cause: Text::new(attempt.cause.as_str()),
            target: Text::optional(attempt.target.as_deref()),
            core: attempt.clone(),
        }
    }
}

/// The server's message, field by field.
#[derive(Default)]
pub(in crate::ffi::capi) struct ServerFields(Vec<(c_int, Text)>);

impl ServerFields {
    pub(in crate::ffi::capi) fn new(said: &ServerMessage) -> Self {
        let mut fields = vec![
            (HOLDFAST_FIELD_SEVERITY, Text::new(said.severity.as_str())),
            (HOLDFAST_FIELD_SQLSTATE, Text::new(said.sqlstate.code())),
            (HOLDFAST_FIELD_MESSAGE, Text::new(said.message.as_str())),
        ];
        let optional = [
            (HOLDFAST_FIELD_DETAIL, &said.detail),
            (HOLDFAST_FIELD_HINT, &said.hint),
            (HOLDFAST_FIELD_POSITION, &said.position),
            (HOLDFAST_FIELD_INTERNAL_POSITION, &said.internal_position),
            (HOLDFAST_FIELD_INTERNAL_QUERY, &said.internal_query),
            (HOLDFAST_FIELD_CONTEXT, &said.context),
            (HOLDFAST_FIELD_SCHEMA, &said.schema),
            (HOLDFAST_FIELD_TABLE, &said.table),
            (HOLDFAST_FIELD_COLUMN, &said.column),
            (HOLDFAST_FIELD_DATA_TYPE, &said.data_type),
            (HOLDFAST_FIELD_CONSTRAINT, &said.constraint),
            (HOLDFAST_FIELD_FILE, &said.file),
            (HOLDFAST_FIELD_LINE, &said.line),
            (HOLDFAST_FIELD_ROUTINE, &said.routine),
        ];
        for (code, text) in optional {
            if let Some(text) = text {
                fields.push((code, Text::new(text.as_str())));
            }
        }
        Self(fields)
    }

    pub(in crate::ffi::capi) fn get(&self, field: c_int) -> holdfast_str {
        self.find(field).map_or(EMPTY, Text::view)
    }

    pub(in crate::ffi::capi) fn find(&self, field: c_int) -> Option<&Text> {
        self.0.iter().find(|(code, _)| *code == field).map(|(_, text)| text)
    }
}

impl holdfast_error {
    pub(in crate::ffi::capi) fn describe(failure: Failure) -> Described {
        let status = status::of_failure(&failure);
        match failure {
            Failure::Call { message, .. } => {
                Described { status, message: Text::new(message), ..Described::default() }
            }
            Failure::Given { .. } => Described { status, ..Described::default() },
            Failure::Core(error) => Self::describe_core(&error),
        }
    }

    pub(in crate::ffi::capi) fn describe_core(error: &Error) -> Described {
        Described {
            status: status::of_error(error),
            message: Text::new(error.to_string()),
            phase: Text::optional(error.phase().map(|p| p.name())),
            target: Text::optional(error.target()),
            server: error.server().map(ServerFields::new).unwrap_or_default(),
            retryable: error.is_retryable(),
            elapsed_us: error.elapsed().map_or(0, micros),
            snapshot: error.snapshot().copied(),
            attempts: error.attempts().iter().map(DescribedAttempt::new).collect(),
            remedy: Text::optional(error.remedy()),
            parameter_count: error.parameter_count(),
            os_error: error.os_error().unwrap_or_default(),
        }
    }
}

/// Answers a question about an error; `default` is the answer of NULL.
///
/// # Safety
/// `error` is NULL or a live error.
unsafe fn ask<T>(error: *const holdfast_error, default: T, answer: impl FnOnce(&Described) -> T) -> T {
    // SAFETY: as promised.
    or_default(default, || Ok(answer(unsafe { look(error)? })))
}

/// The status that the failed call returned.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_error_status(error: *const holdfast_error) -> holdfast_status {
    // SAFETY: the caller gives NULL or a live error.
    unsafe { ask(error, HOLDFAST_STATUS_OK, |error| error.status) }
}

/// The kind of failure in snake case, such as "server_full": the name of its status. Static.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_error_kind(error: *const holdfast_error) -> holdfast_str {
    // SAFETY: the caller gives NULL or a live error.
    unsafe { ask(error, literal("ok\0"), |error| literal(status::name(error.status))) }
}

/// The whole error in one line: the failure and its place, the server's message, the attempts, the pool's state, the
/// remedy. Never holds a secret.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_error_message(error: *const holdfast_error) -> holdfast_str {
    // SAFETY: the caller gives NULL or a live error.
    unsafe { ask(error, EMPTY, |error| error.message.view()) }
}

/// The step in which it happened: "config", "queue", "resolve", "connect", "tls", "auth", "role", "setup", "validate",
/// "query", "commit" or "close"; empty where there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_error_phase(error: *const holdfast_error) -> holdfast_str {
    // SAFETY: the caller gives NULL or a live error.
    unsafe { ask(error, EMPTY, |error| error.phase.view()) }
}

/// The SQLSTATE that the server answered with; empty if it did not answer.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_error_sqlstate(error: *const holdfast_error) -> holdfast_str {
    // SAFETY: the caller gives NULL or a live error.
    unsafe { ask(error, EMPTY, |error| error.server.get(HOLDFAST_FIELD_SQLSTATE)) }
}

/// A field of the server's message, named by a HOLDFAST_FIELD_ constant; empty if the server did not send it.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_error_field(
    error: *const holdfast_error,
    field: i32,
) -> holdfast_str {
    // SAFETY: the caller gives NULL or a live error.
    unsafe { ask(error, EMPTY, |error| error.server.get(field)) }
}

/// Returns whether trying the same again is safe and may succeed: the failed operation provably had no effect, and the
/// cause is one that passes. false means only that the library cannot promise it.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_error_is_retryable(error: *const holdfast_error) -> bool {
    // SAFETY: the caller gives NULL or a live error.
    unsafe { ask(error, false, |error| error.retryable) }
}

/// The time the failed call took in microseconds, queueing and backoff included; 0 if it was not measured.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_error_elapsed_us(error: *const holdfast_error) -> u64 {
    // SAFETY: the caller gives NULL or a live error.
    unsafe { ask(error, 0, |error| error.elapsed_us) }
}

/// The server concerned, as host:port or a socket path; empty if there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_error_target(error: *const holdfast_error) -> holdfast_str {
    // SAFETY: the caller gives NULL or a live error.
    unsafe { ask(error, EMPTY, |error| error.target.view()) }
}

/// The remedy, for a person: the server's hint if it sent one, else the library's advice; empty if there is none.
/// holdfast_error_message ends with it too.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_error_remedy(error: *const holdfast_error) -> holdfast_str {
    // SAFETY: the caller gives NULL or a live error.
    unsafe { ask(error, EMPTY, |error| error.remedy.view()) }
}

/// Returns whether a statement was given more or fewer parameters than it has, which is HOLDFAST_STATUS_MISUSE: then
/// *wanted is the number it has, and *given the number given. Else nothing is written. Both may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_error_parameter_count(
    error: *const holdfast_error,
    wanted: *mut usize,
    given: *mut usize,
) -> bool {
    // SAFETY: the caller gives NULL or a live error.
    let Some(count) = (unsafe { ask(error, None, |error| error.parameter_count) }) else { return false };
    // SAFETY: the caller gives NULL or a place to write to.
    unsafe {
        if let Some(place) = wanted.as_mut() {
            *place = count.wanted;
        }
        if let Some(place) = given.as_mut() {
            *place = count.given;
        }
    }
    true
}

/// The number of the operating system's error (errno), where one is the cause, such as EMFILE of HOLDFAST_STATUS_LOCAL_LIMIT and
/// ECONNREFUSED of HOLDFAST_STATUS_REFUSED; 0 if there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_error_os_error(error: *const holdfast_error) -> i32 {
    // SAFETY: the caller gives NULL or a live error.
    unsafe { ask(error, 0, |error| error.os_error) }
}

/// The number of failed attempts at opening a connection; 0 if none was made.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_error_attempt_count(error: *const holdfast_error) -> usize {
    // SAFETY: the caller gives NULL or a live error.
    unsafe { ask(error, 0, |error| error.attempts.len()) }
}

/// Fills *attempt with the failed try of this index, the first being 0. false, and nothing is written, if there is none or
/// struct_size is not set.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_error_attempt(
    error: *const holdfast_error,
    index: usize,
    attempt: *mut holdfast_attempt,
) -> bool {
    or_default(false, || {
        // SAFETY: the caller gives NULL or a live error.
        let Some(found) = unsafe { look(error)? }.attempts.get(index) else { return Ok(false) };
        let filled = holdfast_attempt {
            struct_size: 0,
            status: status::of_kind(found.core.kind),
            phase: found.phase.view(),
            sqlstate: found.sqlstate.view(),
            cause: found.cause.view(),
            target: found.target.view(),
            took_us: micros(found.core.took),
            backoff_us: found.core.backoff.map_or(0, micros),
            age_us: micros(found.core.age()),
        };
        // SAFETY: `attempt` is NULL or as large as its `struct_size` says.
        unsafe { growable::write(attempt, &filled, "holdfast_attempt")? };
        Ok(true)
    })
}

/// Fills *snapshot with how the pool stood when the call failed. false, and nothing is written, if no pool was concerned or
/// struct_size is not set.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_error_snapshot(
    error: *const holdfast_error,
    snapshot: *mut holdfast_snapshot,
) -> bool {
    or_default(false, || {
        // SAFETY: the caller gives NULL or a live error.
        let Some(found) = unsafe { look(error)? }.snapshot else { return Ok(false) };
        let mut filled: holdfast_snapshot = growable::zeroed();
        gauges!(fill_gauges, filled; found);
        // SAFETY: `snapshot` is NULL or as large as its `struct_size` says.
        unsafe { growable::write(snapshot, &filled, "holdfast_snapshot")? };
        Ok(true)
    })
}

/// A further handle of the same error, for a further owner: each is freed with holdfast_error_free. NULL for NULL. How an event's
/// callback keeps what went wrong.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_error_clone(error: *const holdfast_error) -> *mut holdfast_error {
    // SAFETY: the caller gives NULL or a live error.
    or_default(ptr::null_mut(), || unsafe { another(error) })
}

/// Frees an error. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_error_free(error: *mut holdfast_error) {
    // SAFETY: the caller gives NULL or a live error, and does not use it again.
    unsafe { free(error) }
}
