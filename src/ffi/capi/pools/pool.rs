//! Pools.
//!
//! A pool of connections to one PostgreSQL target. Opening one opens no connection. All of these may be called from any
//! thread at any time. A pool inherited by a forked child gives HOLDFAST_STATUS_MISUSE there.

use std::ffi::c_char;
use std::ptr;

use super::config::{holdfast_config, read_config};
use super::silence::{PoolGate, gate_before};
use crate::config::PoolConfig;
use crate::ffi::capi::boundary::growable;
use crate::ffi::capi::boundary::growable::Growing;
use crate::ffi::capi::boundary::guard::{Failure, Out, Outcome, guard, micros, milliseconds, or_default};
use crate::ffi::capi::boundary::handle::{another, free, handle, hold, look};
use crate::ffi::capi::connections::connection::{CheckedOut, holdfast_connection};
use crate::ffi::capi::library::error::holdfast_error;
use crate::ffi::capi::library::status::holdfast_status;
use crate::ffi::capi::library::text::{EMPTY, Text, holdfast_str, text};
use crate::pool::{Call, CloseReport, Pool};

/// A pool. Free it with holdfast_pool_free.
pub struct holdfast_pool {
    _opaque: [u8; 0],
}

handle!(holdfast_pool: PoolHandle, b"hf-pool.", stays_in_its_process = true);

pub struct PoolHandle {
    pub(in crate::ffi::capi) core: Pool,
    /// In front of all functions of the program's that the pool calls.
    pub(in crate::ffi::capi) gate: PoolGate,
    target: Text,
}

impl PoolHandle {
    pub(in crate::ffi::capi) fn open(
        mut config: PoolConfig,
        open: impl FnOnce(PoolConfig) -> crate::Result<Pool>,
    ) -> Outcome<Self> {
        let gate = gate_before(&mut config);
        let core = open(config)?;
        let target = Text::new(core.target());
        Ok(Self { core, gate, target })
    }
}

/// A value of timeout_ms where a comment allows it: the configured time.
pub const HOLDFAST_CONFIGURED: u64 = u64::MAX;
/// As holdfast_acquire_options.retries: one attempt only.
pub const HOLDFAST_NO_RETRY: i32 = -1;

/// The options of one call that gets a connection. All zero but struct_size means: as configured.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct holdfast_acquire_options {
    /// sizeof(holdfast_acquire_options).
    pub struct_size: u32,
    /// The most retries of a failed attempt; 0 as configured (retry_max), HOLDFAST_NO_RETRY never.
    pub retries: i32,
    /// Limit of the whole call in milliseconds, queueing, opening, retries and the waits between them included; 0 for
    /// none but that of each attempt (connection_timeout).
    pub timeout_ms: u64,
    /// 1 if the statement may be repeated, since running it several times is the same as running it once: when its connection
    /// is lost under it, it is run again on another, at once and then as often as a failed attempt is repeated, within the
    /// limit of the whole call. Else 0, and nothing is repeated that may have reached the server. For holdfast_pool_query and
    /// holdfast_pool_execute only.
    pub idempotent: i32,
    /// Always 0.
    pub reserved: u32,
}

// SAFETY: repr(C); u32, i32, u64, i32, u32: no padding.
unsafe impl Growing for holdfast_acquire_options {}

/// The report of closing a pool. Set struct_size before the call that fills it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct holdfast_close_report {
    /// sizeof(holdfast_close_report).
    pub struct_size: u32,
    /// Idle connections closed at once.
    pub idle_closed: u32,
    /// Connections in use that came back by themselves in time.
    pub returned: u32,
    /// Connections in use on which the server was asked to cancel the running statement.
    pub cancelled: u32,
    /// Connections still in use at the deadline, which were cut.
    pub cut: u32,
    /// Always 0.
    pub reserved: u32,
    /// The time that closing took, in microseconds.
    pub elapsed_us: u64,
}

// SAFETY: repr(C); six u32, then a u64 at offset 24: no padding.
unsafe impl Growing for holdfast_close_report {}

/// Opens a pool and puts it into *pool. Opens no connection yet, except that min_idle above 0 is filled in the background.
/// The configuration is copied. HOLDFAST_STATUS_CONFIG or _TLS if it cannot work as it stands. Does not wait for the
/// network; may read certificate, password and service files.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_pool_open(
    config: *const holdfast_config,
    pool: *mut *mut holdfast_pool,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: `pool` is NULL or writable, `config` NULL or live.
        let (out, config) =
            unsafe { (Out::new(pool, "pool")?, read_config(config, |config| Ok(config.clone()))?) };
        out.set(PoolHandle::open(config, Pool::new)?);
        Ok(())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Opens a pool from a connection string: holdfast_config_from_url and holdfast_pool_open in one.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_pool_open_url(
    url: *const c_char,
    url_len: usize,
    pool: *mut *mut holdfast_pool,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: `pool` is NULL or writable; the text is readable up to its length or NUL.
        let (out, url) = unsafe { (Out::new(pool, "pool")?, text(url, url_len, "url")?) };
        out.set(PoolHandle::open(PoolConfig::from_url(url)?, Pool::new)?);
        Ok(())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// A further handle of the same pool, for a further owner: each is freed with holdfast_pool_free. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_pool_clone(pool: *const holdfast_pool) -> *mut holdfast_pool {
    // SAFETY: the caller gives NULL or a live pool.
    or_default(ptr::null_mut(), || unsafe { another(pool) })
}

/// Checks out a connection and puts it into *connection; give it back with holdfast_connection_release. options may be
/// NULL. Blocks until one is idle or a new one is open: connection_timeout per attempt, with retries of what failed to
/// open, or as options say. HOLDFAST_STATUS_POOL_TIMEOUT if all stayed busy, HOLDFAST_STATUS_OVERLOADED if waiting is
/// of no use, HOLDFAST_STATUS_POOL_CLOSED, else what kept the last attempt from opening a connection.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_pool_acquire(
    pool: *const holdfast_pool,
    options: *const holdfast_acquire_options,
    connection: *mut *mut holdfast_connection,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: `connection` is NULL or writable, `pool` NULL or live, `options` NULL or as large as it says.
        unsafe {
            let out = Out::new(connection, "connection")?;
            let pool = hold(pool)?;
            out.set(CheckedOut::new(acquire(&pool.core, options)?));
        }
        Ok(())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// # Safety
/// `options` is NULL or as large as its `struct_size` says.
pub(in crate::ffi::capi) unsafe fn acquire(
    pool: &Pool,
    options: *const holdfast_acquire_options,
) -> Outcome<crate::PooledConnection> {
    // SAFETY: as promised.
    Ok(pool.get_as(unsafe { call(options)? })?)
}

/// Reads the options of a call that may block for a connection.
///
/// # Safety
/// As for [`acquire`].
pub(in crate::ffi::capi) unsafe fn call(options: *const holdfast_acquire_options) -> Outcome<Call> {
    // SAFETY: as promised.
    match unsafe { call_for_statement(options)? } {
        (call, false) => Ok(call),
        (_, true) => Err(Failure::argument(
            "holdfast_acquire_options: idempotent can be 1 for a single statement only",
        )),
    }
}

/// The same for a single statement, and whether that may be repeated.
///
/// # Safety
/// As for [`acquire`].
pub(in crate::ffi::capi) unsafe fn call_for_statement(
    options: *const holdfast_acquire_options,
) -> Outcome<(Call, bool)> {
    const NAME: &str = "holdfast_acquire_options";
    Failure::if_in_callback()?;
    if options.is_null() {
        return Ok((Call::default(), false));
    }
    // SAFETY: as promised.
    let options = unsafe { growable::read(options, NAME)? };
    if options.reserved != 0 {
        return Err(Failure::argument("holdfast_acquire_options: reserved must be 0"));
    }
    let call = Call {
        timeout: (options.timeout_ms != 0).then(|| milliseconds(options.timeout_ms)),
        retries: count(options.retries, "holdfast_acquire_options: retries")?,
        since: None,
        place: None,
    };
    Ok((call, flag(options.idempotent, NAME, "idempotent")?))
}

/// Reads a flag that is 0 or 1.
pub(in crate::ffi::capi) fn flag(given: i32, name: &str, field: &str) -> Outcome<bool> {
    match given {
        0 | 1 => Ok(given == 1),
        other => Err(Failure::argument(format!("{name}: {field} cannot be {other}"))),
    }
}

/// A number of repetitions; `None` for the usual one.
pub(in crate::ffi::capi) fn count(given: i32, name: &str) -> Outcome<Option<u32>> {
    match given {
        0 => Ok(None),
        HOLDFAST_NO_RETRY => Ok(Some(0)),
        count => match u32::try_from(count) {
            Ok(count) => Ok(Some(count)),
            Err(_) => Err(Failure::argument(format!("{name} cannot be {count}"))),
        },
    }
}

/// Checks out an idle connection if one is free now, else puts NULL into *connection; HOLDFAST_STATUS_OK either way.
/// Opens none and does not wait for one to come back; a connection that must be validated first takes at most
/// validation_timeout. HOLDFAST_STATUS_POOL_CLOSED if the pool is closed.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_pool_try_acquire(
    pool: *const holdfast_pool,
    connection: *mut *mut holdfast_connection,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: `connection` is NULL or writable, `pool` NULL or live.
        let (out, pool) = unsafe { (Out::new(connection, "connection")?, hold(pool)?) };
        Failure::if_in_callback()?;
        if let Some(checkout) = pool.core.try_get()? {
            out.set(CheckedOut::new(checkout));
        }
        Ok(())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Blocks until the pool has so many open connections, idle or checked out, and opens what is missing one after another: for a
/// program that is about to report that it is ready. They are idle afterwards; those beyond min_idle are closed after
/// idle_timeout. Blocks for at most timeout_ms milliseconds. HOLDFAST_STATUS_MISUSE for more than max_size; else as
/// holdfast_pool_acquire, and the connections that were opened until then stay. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_pool_wait_until_warm(
    pool: *const holdfast_pool,
    connections: u32,
    timeout_ms: u64,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: `pool` is NULL or live.
        let pool = unsafe { hold(pool)? };
        Failure::if_in_callback()?;
        Ok(pool.core.wait_until_warm(connections, milliseconds(timeout_ms))?)
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Sets the largest number of connections, in place of the option max_size. A larger pool lets waiters open at once. A smaller
/// one closes surplus idle connections at once and others as they come back; until those are closed nothing is opened. What the
/// server allows less than that stays in force, and so does the fleet's share. Blocks at most for the moment in which room for
/// more connections is made. HOLDFAST_STATUS_MISUSE for 0 and more than 10,000; HOLDFAST_STATUS_REENTRANT inside a callback;
/// HOLDFAST_STATUS_POOL_CLOSED. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_pool_set_max_size(
    pool: *const holdfast_pool,
    max_size: u32,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: `pool` is NULL or live.
        let pool = unsafe { hold(pool)? };
        Failure::if_in_callback()?;
        Ok(pool.core.set_max_size(max_size)?)
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Acquires a connection, waits for the server's answer to an empty statement, and releases the connection: whether the
/// database can be used now, where holdfast_pool_health tells what is known already. Blocks for at most timeout_ms
/// milliseconds. Fails as holdfast_pool_acquire and holdfast_connection_ping. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_pool_ping(
    pool: *const holdfast_pool,
    timeout_ms: u64,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: `pool` is NULL or live.
        let pool = unsafe { hold(pool)? };
        Failure::if_in_callback()?;
        Ok(pool.core.ping(milliseconds(timeout_ms))?)
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Closes every idle connection now, min_idle or not, and puts how many those were into *released, which may be NULL. For a
/// process that is about to be frozen: its timers will stand still, and what it holds would keep its slots on the server.
/// Connections in use are left alone, and so are those that come back or are opened meanwhile. The pool stays open: the first
/// connection that is opened afterwards has min_idle filled again. Blocks until the server has let go of them, for at most
/// settle_timeout.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_pool_release_idle(
    pool: *const holdfast_pool,
    released: *mut usize,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: `pool` is NULL or live.
        let pool = unsafe { hold(pool)? };
        Failure::if_in_callback()?;
        let count = pool.core.release_idle();
        if !released.is_null() {
            // SAFETY: `released` is writable.
            unsafe { released.write(count as usize) };
        }
        Ok(())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Closes the pool: new acquires fail at once, waiting ones are woken with HOLDFAST_STATUS_POOL_CLOSED, idle
/// connections are closed, connections in use awaited; shortly before the limit the server is asked to cancel what
/// still runs, and at the limit connections still in use are cut, so that calls blocked on it return. timeout_ms is the
/// limit, HOLDFAST_CONFIGURED the option close_timeout; blocks for no longer than that and a moment. Fills *report if
/// it is not NULL. Closing twice is harmless. The handle stays valid until it is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_pool_close(
    pool: *const holdfast_pool,
    timeout_ms: u64,
    report: *mut holdfast_close_report,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: `pool` is NULL or live.
        let pool = unsafe { hold(pool)? };
        Failure::if_in_callback()?;
        if !report.is_null() {
            // The report is checked before anything is closed. SAFETY: `report` is as large as its `struct_size` says.
            unsafe { growable::write(report, &described(CloseReport::default()), "holdfast_close_report")? };
        }
        let done = match timeout_ms {
            HOLDFAST_CONFIGURED => pool.core.close(),
            limit => pool.core.close_timeout(milliseconds(limit)),
        };
        if !report.is_null() {
            // SAFETY: as above.
            unsafe { growable::write(report, &described(done), "holdfast_close_report")? };
        }
        Ok(())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

fn described(report: CloseReport) -> holdfast_close_report {
    holdfast_close_report {
        struct_size: 0,
        idle_closed: report.idle_closed,
        returned: report.returned,
        cancelled: report.cancelled,
        cut: report.cut,
        reserved: 0,
        elapsed_us: micros(report.elapsed),
    }
}

/// Returns whether the pool was closed; true for NULL. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_pool_is_closed(pool: *const holdfast_pool) -> bool {
    // SAFETY: the caller gives NULL or a live pool.
    or_default(true, || Ok(unsafe { hold(pool)? }.core.is_closed()))
}

/// The server or servers that the pool leads to, as host:port; no secrets. Belongs to the pool. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_pool_target(pool: *const holdfast_pool) -> holdfast_str {
    // SAFETY: the caller gives NULL or a live pool.
    or_default(EMPTY, || Ok(unsafe { look(pool)? }.target.view()))
}

/// Frees a handle of a pool. NULL is allowed. When the last is freed, idle connections are closed at once, connections
/// in use when they come back; connections, results and errors of the pool stay valid. Does not block. To wait for
/// connections in use, call holdfast_pool_close before.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_pool_free(pool: *mut holdfast_pool) {
    // SAFETY: the caller gives NULL or a live pool, and does not use this handle again.
    unsafe { free(pool) }
}
