//! Notices and notifications.

use super::connection::holdfast_connection;
use crate::ffi::capi::boundary::guard::{Failure, Out, guard, milliseconds, or_default};
use crate::ffi::capi::boundary::handle::{free, handle, hold, look};
use crate::ffi::capi::library::error::{ServerFields, holdfast_error};
use crate::ffi::capi::library::status::holdfast_status;
use crate::ffi::capi::library::text::{EMPTY, Text, holdfast_str};
use crate::ffi::capi::statements::query::with_raw;

/// A notification that NOTIFY sent. It never changes. Free it with holdfast_notification_free.
pub struct holdfast_notification {
    _opaque: [u8; 0],
}

handle!(holdfast_notification: Notified, b"hf-notfy");

pub struct Notified {
    backend_pid: u32,
    channel: Text,
    payload: Text,
}

/// The notices of the server: WARNING, NOTICE and the like. They never change. Free them with holdfast_notices_free.
pub struct holdfast_notices {
    _opaque: [u8; 0],
}

handle!(holdfast_notices: Vec<ServerFields>, b"hf-notic");

/// Puts the next notification into *notification, or NULL if none comes within timeout_ms; HOLDFAST_STATUS_OK either way.
/// The session must have run LISTEN before. 0 takes only what is there already. Blocks for at most timeout_ms.
/// HOLDFAST_STATUS_CONNECTION_LOST if the connection breaks meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_connection_notification(
    connection: *mut holdfast_connection,
    timeout_ms: u64,
    notification: *mut *mut holdfast_notification,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: `notification` is NULL or writable, `connection` NULL or live.
        let (out, checkout) =
            unsafe { (Out::new(notification, "notification")?, hold(connection.cast_const())?) };
        let patience = milliseconds(timeout_ms);
        if let Some(came) = checkout.with(|conn| with_raw(conn, |raw| raw.notification(patience)))? {
            out.set(Notified {
                backend_pid: came.process_id,
                channel: Text::new(came.channel),
                payload: Text::new(came.payload),
            });
        }
        Ok(())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// The channel it was sent to.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_notification_channel(
    notification: *const holdfast_notification,
) -> holdfast_str {
    // SAFETY: the caller gives NULL or a live notification.
    or_default(EMPTY, || Ok(unsafe { look(notification)? }.channel.view()))
}

/// The payload; empty if none was sent.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_notification_payload(
    notification: *const holdfast_notification,
) -> holdfast_str {
    // SAFETY: the caller gives NULL or a live notification.
    or_default(EMPTY, || Ok(unsafe { look(notification)? }.payload.view()))
}

/// The process id of the session that sent it; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_notification_backend_pid(
    notification: *const holdfast_notification,
) -> u32 {
    // SAFETY: the caller gives NULL or a live notification.
    or_default(0, || Ok(unsafe { look(notification)? }.backend_pid))
}

/// Frees a notification. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_notification_free(notification: *mut holdfast_notification) {
    // SAFETY: the caller gives NULL or a live notification, and does not use it again.
    unsafe { free(notification) }
}

/// Puts what the server remarked since the last call into *notices, oldest first, or NULL if there is nothing. Does not
/// block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_connection_notices(
    connection: *mut holdfast_connection,
    notices: *mut *mut holdfast_notices,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: `notices` is NULL or writable, `connection` NULL or live.
        let (out, checkout) = unsafe { (Out::new(notices, "notices")?, hold(connection.cast_const())?) };
        let taken = checkout.with(|conn| with_raw(conn, |raw| Ok(raw.take_notices())))?;
        if !taken.is_empty() {
            out.set(taken.iter().map(ServerFields::new).collect());
        }
        Ok(())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Puts the number of notifications and notices of this checkout into *count that were dropped because they were not
/// taken: of each kind the last 10,000 are kept, and at most half a megabyte. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_connection_dropped_messages(
    connection: *mut holdfast_connection,
    count: *mut u64,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        if count.is_null() {
            return Err(Failure::null("count"));
        }
        // SAFETY: `connection` is NULL or live.
        let checkout = unsafe { hold(connection.cast_const())? };
        let dropped = checkout.with(|conn| with_raw(conn, |raw| Ok(raw.dropped_messages())))?;
        // SAFETY: not NULL, and so writable.
        unsafe { *count = dropped };
        Ok(())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// The number of notices; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_notices_count(notices: *const holdfast_notices) -> usize {
    // SAFETY: the caller gives NULL or live notices.
    or_default(0, || Ok(unsafe { look(notices)? }.len()))
}

/// A field of the notice of this index, named by a HOLDFAST_FIELD_ constant; empty if it was not sent. Belongs to the
/// notices.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_notices_field(
    notices: *const holdfast_notices,
    index: usize,
    field: i32,
) -> holdfast_str {
    // SAFETY: the caller gives NULL or live notices.
    or_default(EMPTY, || Ok(unsafe { look(notices)? }.get(index).map_or(EMPTY, |notice| notice.get(field))))
}

/// Frees notices. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_notices_free(notices: *mut holdfast_notices) {
    // SAFETY: the caller gives NULL or live notices, and does not use them again.
    unsafe { free(notices) }
}
