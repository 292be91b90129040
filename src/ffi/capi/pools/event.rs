//! Events.
//!
//! Events of a pool, reported as they happen: connections opened, checked out and closed, waits, retries, changes of
//! the limit and the circuit, alerts. Each configuration can have its callback, which the pools made from it share.

use std::ffi::c_void;
use std::mem::size_of;
use std::ptr;
use std::time::{Duration, UNIX_EPOCH};

use super::config::{holdfast_config, set_callback};
use super::log::{UserData, holdfast_destroy};
use crate::config::PoolConfig;
use crate::ffi::capi::boundary::guard::{guard, micros, or_default};
use crate::ffi::capi::boundary::handle::Kept;
use crate::ffi::capi::library::error::holdfast_error;
use crate::ffi::capi::library::status::{self, holdfast_status};
use crate::ffi::capi::library::text::{Text, ended, holdfast_str, literal};
use crate::observe::event::{Event, EventKind, EventSink};

// One for each kind of event.
include!(concat!(env!("OUT_DIR"), "/event_constants.rs"));

/// In took_us: the event has no duration.
pub const HOLDFAST_NO_DURATION: u64 = u64::MAX;

/// An event of a pool. It and its texts are valid during the callback only; texts that a kind does not have are empty,
/// numbers 0. It may grow at its end: struct_size is the part of it that the library filled.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct holdfast_event {
    /// As large as the library knows the struct.
    pub struct_size: u32,
    /// The kind of event: a HOLDFAST_EVENT_ constant. New ones may come.
    pub kind: i32,
    /// When, in microseconds since 1970-01-01 00:00 UTC.
    pub unix_us: u64,
    /// The pool's name and target.
    pub pool: holdfast_str,
    /// Number of the connection within the pool, from 1; 0 where no connection is concerned.
    pub connection: u64,
    /// A duration in microseconds, or HOLDFAST_NO_DURATION.
    pub took_us: u64,
    /// The server's process id for the connection.
    pub backend_pid: u32,
    /// The failure, as the status that a call returns for it; HOLDFAST_STATUS_OK if there was none.
    pub status: holdfast_status,
    /// A number before.
    pub from: u32,
    /// A number now.
    pub to: u32,
    /// A stable name in snake case.
    pub reason: holdfast_str,
    /// The event in words. Never holds a secret. Empty for HOLDFAST_EVENT_ACQUIRED, _RELEASED and _WAITED.
    pub message: holdfast_str,
    /// The place in the program, as file:line, if the program is one in Rust.
    pub place: holdfast_str,
    /// The failure, with all that a failed call reports of it, or NULL if there was none. Not to be freed; to keep it
    /// for longer than the callback, use holdfast_error_clone.
    pub error: *const holdfast_error,
    /// The SQLSTATE that the server gave, whatever its language: of the message with which it ended the connection
    /// (HOLDFAST_EVENT_CLOSED, _SERVER_MESSAGE), or of the failure.
    pub sqlstate: holdfast_str,
}

/// Takes an event. Called as a holdfast_log_callback is, and with the same rules: on any thread, by several at once,
/// never while a lock is held; it must return soon; calls that would block return HOLDFAST_STATUS_REENTRANT; it is not
/// notified of events that it causes itself. It must not leave by longjmp or by an exception.
pub type holdfast_event_callback =
    Option<unsafe extern "C-unwind" fn(user_data: *mut c_void, event: *const holdfast_event)>;

fn tell(
    callback: unsafe extern "C-unwind" fn(*mut c_void, *const holdfast_event),
    user_data: &UserData,
    event: &Event<'_>,
) {
    let (pool, reason, message, place, sqlstate) = (
        Text::new(event.pool),
        Text::optional(event.reason),
        Text::new(event.message),
        Text::optional(event.place),
        Text::optional(event.sqlstate),
    );
    let error = event.error.map(|error| Kept::<holdfast_error>::new(holdfast_error::describe_core(error)));
    let told = holdfast_event {
        struct_size: size_of::<holdfast_event>() as u32,
        kind: event.kind as i32,
        unix_us: event.time.duration_since(UNIX_EPOCH).map_or(0, micros),
        pool: pool.view(),
        connection: event.connection.unwrap_or_default(),
        took_us: event.took.map_or(HOLDFAST_NO_DURATION, |took: Duration| micros(took)),
        backend_pid: event.backend_pid.unwrap_or_default(),
        status: event.error.map_or(status::HOLDFAST_STATUS_OK, status::of_error),
        from: event.from.unwrap_or_default(),
        to: event.to.unwrap_or_default(),
        reason: reason.view(),
        message: message.view(),
        place: place.view(),
        error: error.as_ref().map_or(ptr::null(), Kept::as_ptr),
        sqlstate: sqlstate.view(),
    };
    // SAFETY: the program gave the function for this data; the event, its texts and its error live until the call is over.
    unsafe { callback(user_data.get(), &raw const told) };
}

/// Returns the name of a HOLDFAST_EVENT_ constant in snake case, such as "opened"; "unknown" for a kind that this version does
/// not have. The text is static. Any thread; does not block.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn holdfast_event_name(kind: i32) -> holdfast_str {
    or_default(literal("unknown\0"), || Ok(ended(EventKind::name_of_number(kind))))
}

/// Reports every event of the pools made from this configuration to the callback as it happens. NULL as callback, or a
/// second call, ends what an earlier call began, for pools yet to be made. Without a callback, checkouts cost nothing
/// more. destroy and user_data are as for holdfast_config_set_log. If this call fails, user_data stays with the caller,
/// and destroy is not called. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_config_set_event(
    config: *mut holdfast_config,
    callback: holdfast_event_callback,
    user_data: *mut c_void,
    destroy: holdfast_destroy,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        let replace =
            |config: &mut PoolConfig, callback: Option<_>| {
                config.replace_event_sink(callback.map(|(callback, user_data)| {
                    EventSink::new(move |event| tell(callback, &user_data, event))
                }))
            };
        // SAFETY: `config` is NULL or live.
        unsafe { set_callback(config, callback, (user_data, destroy), replace) }
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}
