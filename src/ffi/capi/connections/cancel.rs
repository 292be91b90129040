//! Cancelling from another thread.

use std::ptr;
use std::sync::{Arc, OnceLock};

use super::connection::holdfast_connection;
use crate::error::{Error, ErrorKind};
use crate::ffi::capi::boundary::guard::{Failure, Out, guard, milliseconds, or_default};
use crate::ffi::capi::boundary::handle::{another, free, handle, hold, look, peek};
use crate::ffi::capi::library::error::holdfast_error;
use crate::ffi::capi::library::status::holdfast_status;
use crate::ffi::capi::pools::pool::HOLDFAST_CONFIGURED;
use crate::link::cancel::CancelHandle;
use crate::link::signal_cancel::SignalCancel;

/// A token with which any thread can cancel the running statement of one connection. It belongs to one checkout: once
/// the connection has gone back, it does nothing, and a request that is on its way then is awaited before the next
/// checkout of the connection. Free it with holdfast_cancel_free.
pub struct holdfast_cancel {
    _opaque: [u8; 0],
}

handle!(holdfast_cancel: Cancel, b"hf-cancl", stays_in_its_process = true);

pub struct Cancel {
    core: CancelHandle,
    /// Set once a signal handler may use it.
    armed: OnceLock<Arc<SignalCancel>>,
}

/// Puts a cancel handle of the connection into *cancel. Any thread, also while the connection is in use; does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_cancel_new(
    connection: *const holdfast_connection,
    cancel: *mut *mut holdfast_cancel,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: `cancel` is NULL or writable, `connection` NULL or live.
        let (out, connection) = unsafe { (Out::new(cancel, "cancel")?, look(connection)?) };
        out.set(Cancel { core: CancelHandle::clone(&connection.cancel), armed: OnceLock::new() });
        Ok(())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// A further handle, for a further owner: each is freed with holdfast_cancel_free. NULL for NULL. Any thread; does not
/// block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_cancel_clone(
    cancel: *const holdfast_cancel,
) -> *mut holdfast_cancel {
    // SAFETY: the caller gives NULL or a live cancel handle.
    or_default(ptr::null_mut(), || unsafe { another(cancel) })
}

/// Asks the server to cancel the statement that the connection runs now, which then fails with
/// HOLDFAST_STATUS_CANCELED. Any thread. Returns when the server has taken the request, which does not mean that there
/// was anything to cancel. Blocks for at most timeout_ms, HOLDFAST_CONFIGURED being 5 s;
/// HOLDFAST_STATUS_CONNECT_TIMEOUT when that passes, or what else kept the request from being delivered. Not to be called
/// in a signal handler, since it connects to the server: holdfast_cancel_raise is for that.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_cancel_fire(
    cancel: *const holdfast_cancel,
    timeout_ms: u64,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: `cancel` is NULL or live.
        let cancel = unsafe { hold(cancel)? };
        Failure::if_in_callback()?;
        match timeout_ms {
            HOLDFAST_CONFIGURED => cancel.core.cancel()?,
            limit => cancel.core.cancel_within(milliseconds(limit))?,
        }
        Ok(())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Makes a cancel handle, and the further handles of it, fit for holdfast_cancel_raise. That takes a thread and a pair of sockets
/// of the library, shared by all armed handles of the process, until the last of them is freed. To be called before the signal
/// handler can run, not in it; calling it again does nothing. Any thread; does not block. HOLDFAST_STATUS_LOCAL_LIMIT if the
/// process has no thread or descriptors left.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_cancel_arm(
    cancel: *const holdfast_cancel,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: `cancel` is NULL or live.
        let cancel = unsafe { hold(cancel)? };
        if cancel.armed.get().is_none() {
            let armed = SignalCancel::arm(cancel.core.clone()).map_err(|e| {
                Error::new(
                    ErrorKind::LocalLimit,
                    "no thread or sockets could be had for cancelling by signals",
                )
                .with_source(e)
            })?;
            // Another thread may have been faster.
            cancel.armed.get_or_init(|| armed);
        }
        Ok(())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Asks for what holdfast_cancel_fire does, from a signal handler: a thread of the library sends the request, within moments, for
/// at most 5 s, and one after the other if several are asked for at the same time. Whether it could be sent is not reported;
/// asking again is harmless. Async-signal-safe: it locks, allocates and waits for nothing, and leaves errno as it was. The handle
/// was armed by holdfast_cancel_arm before, and must not be freed while the handler can run. true if the request was passed
/// on; false for NULL, for a handle that was not armed, and in a forked child. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_cancel_raise(cancel: *const holdfast_cancel) -> bool {
    // SAFETY: the caller gives NULL or a live cancel handle.
    let armed = unsafe { peek(cancel) }.and_then(|cancel| cancel.armed.get());
    if let Some(armed) = armed {
        armed.raise();
    }
    armed.is_some()
}

/// Frees a cancel handle. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_cancel_free(cancel: *mut holdfast_cancel) {
    // SAFETY: the caller gives NULL or a live cancel handle, and does not use it again.
    unsafe { free(cancel) }
}
