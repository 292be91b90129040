//! What is known of a connection.
//!
//! By what the server said when the session began, and since: it is not asked. None of these blocks.

use std::ffi::c_char;

use super::connection::holdfast_connection;
use crate::ffi::capi::boundary::guard::{Failure, Out, guard};
use crate::ffi::capi::boundary::handle::hold;
use crate::ffi::capi::library::error::holdfast_error;
use crate::ffi::capi::library::status::holdfast_status;
use crate::ffi::capi::library::text::{Text, holdfast_text, text};
use crate::pool::PooledConnection;

/// The role that the session was opened as.
pub const HOLDFAST_INFO_USER: i32 = 1;
/// The database that it was opened in.
pub const HOLDFAST_INFO_DBNAME: i32 = 2;
/// The version of TLS, such as "TLSv1.3"; none on a plain connection.
pub const HOLDFAST_INFO_TLS_VERSION: i32 = 3;
/// The cipher of TLS, in OpenSSL's words; none on a plain connection.
pub const HOLDFAST_INFO_TLS_CIPHER: i32 = 4;

fn info(conn: &PooledConnection, what: i32) -> Result<Option<String>, Failure> {
    Ok(match what {
        HOLDFAST_INFO_USER => Some(conn.user().to_owned()),
        HOLDFAST_INFO_DBNAME => Some(conn.dbname().to_owned()),
        HOLDFAST_INFO_TLS_VERSION => conn.encryption().map(|tls| tls.version.to_owned()),
        HOLDFAST_INFO_TLS_CIPHER => conn.encryption().map(|tls| tls.cipher.to_owned()),
        other => return Err(Failure::argument(format!("what cannot be {other}: see HOLDFAST_INFO_"))),
    })
}

/// Puts what a HOLDFAST_INFO_ constant names into *value, or NULL if there is no such thing; free it with holdfast_text_free.
/// The server's address is holdfast_connection_target, its process holdfast_connection_backend_pid.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_connection_info(
    connection: *const holdfast_connection,
    what: i32,
    value: *mut *mut holdfast_text,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: `value` is NULL or writable, `connection` NULL or live.
        let (out, checkout) = unsafe { (Out::new(value, "value")?, hold(connection)?) };
        if let Some(found) = checkout.with(|conn| info(conn, what))? {
            out.set(Text::new(found));
        }
        Ok(())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Puts a setting of the session into *value as the server reported it last (server_version, TimeZone, in_hot_standby and what
/// else servers report by themselves), or NULL for one that it does not report, and for a value of more than some 100 bytes that a
/// statement has set; free it with holdfast_text_free. Names are case-sensitive.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_connection_parameter(
    connection: *const holdfast_connection,
    name: *const c_char,
    name_len: usize,
    value: *mut *mut holdfast_text,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: `value` is NULL or writable, `connection` NULL or live; the text is readable up to its length or NUL.
        let (out, checkout, name) =
            unsafe { (Out::new(value, "value")?, hold(connection)?, text(name, name_len, "name")?) };
        if let Some(found) = checkout.with(|conn| Ok(conn.parameter(name)))? {
            out.set(Text::new(found));
        }
        Ok(())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}
