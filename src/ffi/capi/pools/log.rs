//! Log records.
//!
//! Log records of a pool's decisions: retries, connections found dead, transactions left open, ... There is no logger
//! of the library's own; each configuration can have its callback, which the pools made from it share.

use std::ffi::c_void;
use std::mem::size_of;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::UNIX_EPOCH;

use super::config::{holdfast_config, set_callback};
use crate::config::PoolConfig;
use crate::ffi::capi::boundary::guard::{Failure, Outcome, guard, micros};
use crate::ffi::capi::library::error::holdfast_error;
use crate::ffi::capi::library::status::holdfast_status;
use crate::ffi::capi::library::text::{Text, holdfast_str};
use crate::logging::{LogLevel, LogRecord, LogSink};

/// As a level: no records.
pub const HOLDFAST_LOG_OFF: i32 = 0;
/// A failure that is final.
pub const HOLDFAST_LOG_ERROR: i32 = 1;
/// A failure that is tried again, or was put right.
pub const HOLDFAST_LOG_WARN: i32 = 2;
/// An event out of the ordinary.
pub const HOLDFAST_LOG_INFO: i32 = 3;
/// The events of single connections.
pub const HOLDFAST_LOG_DEBUG: i32 = 4;
/// Everything.
pub const HOLDFAST_LOG_TRACE: i32 = 5;

/// A log record. It and its texts are valid during the callback only. It may grow at its end: struct_size is the part
/// of it that the library filled.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct holdfast_log_record {
    /// As large as the library knows the struct.
    pub struct_size: u32,
    /// The level: HOLDFAST_LOG_ERROR to HOLDFAST_LOG_TRACE.
    pub level: i32,
    /// The message, in one line. Never holds a secret.
    pub message: holdfast_str,
    /// The pool's name and target.
    pub pool: holdfast_str,
    /// When it was made, in microseconds since 1970-01-01 00:00 UTC.
    pub unix_us: u64,
}

/// Takes a log record. Called on the thread that reports, threads of the library included, by several at once, and
/// never while a lock is held. It must return soon, since connections wait for it. It may call functions that do not
/// block by their comment: functions of errors, texts, results and options, holdfast_pool_stats,
/// holdfast_connection_release. Calls that would block return HOLDFAST_STATUS_REENTRANT. Records that the callback
/// causes itself are not passed to it. It must not leave by longjmp or by an exception.
pub type holdfast_log_callback =
    Option<unsafe extern "C-unwind" fn(user_data: *mut c_void, record: *const holdfast_log_record)>;

/// Releases what user_data points to. Called once, when it is not needed any more, on whatever thread that happens.
pub type holdfast_destroy = Option<unsafe extern "C-unwind" fn(user_data: *mut c_void)>;

/// A program's user_data that the library keeps, and destroys when this is dropped.
pub(in crate::ffi::capi) struct UserData {
    data: *mut c_void,
    destroy: holdfast_destroy,
    /// The call that it was given to failed.
    kept_by_program: AtomicBool,
}

// SAFETY: the header states that the program's functions are called with it on any thread, by several at once.
unsafe impl Send for UserData {}
// SAFETY: as above.
unsafe impl Sync for UserData {}

impl UserData {
    /// `destroy`, unless it is NULL, may be called with `data` once, on any thread.
    pub(in crate::ffi::capi) fn new(data: *mut c_void, destroy: holdfast_destroy) -> Self {
        Self { data, destroy, kept_by_program: AtomicBool::new(false) }
    }

    /// Leaves the user_data with the program, which frees it.
    pub(in crate::ffi::capi) fn keep(&self) {
        self.kept_by_program.store(true, Ordering::Relaxed);
    }

    pub(in crate::ffi::capi) fn get(&self) -> *mut c_void {
        self.data
    }
}

impl Drop for UserData {
    fn drop(&mut self) {
        if let Some(destroy) = self.destroy
            && !*self.kept_by_program.get_mut()
        {
            // SAFETY: the program gave it for this data; nothing else has this object any more, and it is dropped once.
            crate::sys::callback::run(|| unsafe { destroy(self.data) });
        }
    }
}

fn level_of(level: i32) -> Outcome<Option<LogLevel>> {
    Ok(Some(match level {
        HOLDFAST_LOG_OFF => return Ok(None),
        HOLDFAST_LOG_ERROR => LogLevel::Error,
        HOLDFAST_LOG_WARN => LogLevel::Warn,
        HOLDFAST_LOG_INFO => LogLevel::Info,
        HOLDFAST_LOG_DEBUG => LogLevel::Debug,
        HOLDFAST_LOG_TRACE => LogLevel::Trace,
        other => return Err(Failure::argument(format!("there is no log level {other}"))),
    }))
}

fn tell(
    callback: unsafe extern "C-unwind" fn(*mut c_void, *const holdfast_log_record),
    user_data: &UserData,
    record: &LogRecord<'_>,
) {
    let (message, pool) = (Text::new(record.message), Text::new(record.pool));
    let told = holdfast_log_record {
        struct_size: size_of::<holdfast_log_record>() as u32,
        level: record.level as i32,
        message: message.view(),
        pool: pool.view(),
        unix_us: record.time.duration_since(UNIX_EPOCH).map_or(0, micros),
    };
    // SAFETY: the program gave the function for this data; the record lives until the call is over.
    unsafe { callback(user_data.get(), &raw const told) };
}

/// Sends the log records of the pools made from this configuration to the callback: those of this level, a
/// HOLDFAST_LOG_ constant, and above. HOLDFAST_LOG_OFF, or a second call, ends what an earlier call began, for pools
/// yet to be made. destroy, which may be NULL, is called once with user_data after the last use: when this
/// configuration, its clones, and the pools made from them are freed and the last work of those pools is done; at once
/// with HOLDFAST_LOG_OFF. If this call fails, user_data stays with the caller, and destroy is not called. Records about
/// reading a configuration are not sent. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_config_set_log(
    config: *mut holdfast_config,
    level: i32,
    callback: holdfast_log_callback,
    user_data: *mut c_void,
    destroy: holdfast_destroy,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        let level = level_of(level)?;
        let callback = match (level, callback) {
            (Some(level), Some(callback)) => Some((level, callback)),
            (Some(_), None) => return Err(Failure::null("callback")),
            (None, _) => None,
        };
        let replace = |config: &mut PoolConfig, callback: Option<_>| {
            config.replace_sink(callback.map(|((level, callback), user_data)| {
                LogSink::new(level, move |record| tell(callback, &user_data, record))
            }))
        };
        // SAFETY: `config` is NULL or live.
        unsafe { set_callback(config, callback, (user_data, destroy), replace) }
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}
