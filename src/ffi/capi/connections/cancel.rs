//! Cancelling from another thread.

use std::ptr;

use super::connection::holdfast_connection;
use crate::ffi::capi::boundary::guard::{Failure, Out, guard, milliseconds, or_default};
use crate::ffi::capi::boundary::handle::{another, free, handle, hold, look};
use crate::ffi::capi::library::error::holdfast_error;
use crate::ffi::capi::library::status::holdfast_status;
use crate::ffi::capi::pools::pool::HOLDFAST_CONFIGURED;
use crate::link::cancel::CancelHandle;

/// A token with which any thread can cancel the running statement of one connection. It belongs to one checkout: once
/// the connection has gone back, it does nothing, and a request that is on its way then is awaited before the next
/// checkout of the connection. Free it with holdfast_cancel_free.
pub struct holdfast_cancel {
    _opaque: [u8; 0],
}

handle!(holdfast_cancel: CancelHandle, b"hf-cancl", stays_in_its_process = true);

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
        out.set(CancelHandle::clone(&connection.cancel));
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
/// in a signal handler: it connects to the server. A handler wakes a thread that does, by sem_post or write.
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
            HOLDFAST_CONFIGURED => cancel.cancel()?,
            limit => cancel.cancel_within(milliseconds(limit))?,
        }
        Ok(())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Frees a cancel handle. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_cancel_free(cancel: *mut holdfast_cancel) {
    // SAFETY: the caller gives NULL or a live cancel handle, and does not use it again.
    unsafe { free(cancel) }
}
