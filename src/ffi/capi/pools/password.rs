//! Passwords.
//!
//! A configuration can have a callback that is asked for the password at each opening of a session: for vaults, and for
//! tokens that expire.

use std::ffi::{c_char, c_void};
use std::mem::size_of;
use std::time::Instant;

use super::config::{holdfast_config, set_callback};
use super::log::{UserData, holdfast_destroy};
use crate::config::PoolConfig;
use crate::config::password::{PasswordCallback, PasswordFailure, PasswordRequest};
use crate::ffi::capi::boundary::guard::guard;
use crate::ffi::capi::boundary::handle::{Kept, handle, look};
use crate::ffi::capi::library::error::holdfast_error;
use crate::ffi::capi::library::status::holdfast_status;
use crate::ffi::capi::library::text::{Text, holdfast_str, text};
use crate::sys::sync::Mutex;

/// The place for the answer of a password callback. Valid until the callback returns; it is not freed.
pub struct holdfast_password {
    _opaque: [u8; 0],
}

handle!(holdfast_password: Answer, b"hf-passw");

/// The password, or why there is none.
pub struct Answer(Mutex<Option<Result<String, String>>>);

/// The session that a password is asked for. It and its texts are valid during the callback only. It may grow at its end:
/// struct_size is the part of it that the library filled.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct holdfast_password_request {
    /// As large as the library knows the struct.
    pub struct_size: u32,
    /// 1 if the server has refused the password that the callback gave for this session a moment ago, else 0: one that is
    /// kept in a cache must not be given again.
    pub was_refused: i32,
    /// The host as it was configured: a name, an address, or the directory of a Unix-domain socket.
    pub host: holdfast_str,
    /// The role that the session is for.
    pub user: holdfast_str,
    /// The database.
    pub dbname: holdfast_str,
    /// The rest of the attempt's time, in milliseconds. A password that comes later is not used, and the attempt fails.
    pub timeout_ms: u64,
    /// The port.
    pub port: u32,
    /// Always 0.
    pub reserved: u32,
}

/// Gives a password by holdfast_password_give, or says by holdfast_password_fail why there is none. Called once the server
/// is reached, on the thread that opens the session (a caller's or the library's), by several at once, and never while a
/// lock is held. It may block for as long as the request says. It may call functions that do not block by their comment;
/// calls that would block return HOLDFAST_STATUS_REENTRANT. It must not leave by longjmp or by an exception; it may end its
/// thread (pthread_exit), which gives the session up.
pub type holdfast_password_callback = Option<
    unsafe extern "C-unwind" fn(
        user_data: *mut c_void,
        request: *const holdfast_password_request,
        password: *mut holdfast_password,
    ),
>;

/// Has the callback asked for the password at each opening of a session, by pools made from this configuration. While it is
/// set, the option password is ignored wherever it is given, and no password file is read. NULL as callback, or a second
/// call, ends what an earlier call began, for pools yet to be made.
///
/// A failure of the callback is that of the attempt: HOLDFAST_STATUS_AUTH, retryable. What it gives is dropped when the
/// session is open or the attempt has failed, and never shows in an error, a log record or an event. When the server refuses
/// the password, the callback is asked again at once, up to twice, since it may have changed between asking and sending: another
/// one is tried, the same one is not sent again. A pool that was refused asks again when the next caller wants a connection,
/// then at most every 0.1 s to 1 s, and tries the server as soon as the callback gives another password. destroy and
/// user_data are as for holdfast_config_set_log. If this call fails, user_data stays with the caller, and destroy is not
/// called. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_config_set_password(
    config: *mut holdfast_config,
    callback: holdfast_password_callback,
    user_data: *mut c_void,
    destroy: holdfast_destroy,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        let replace = |config: &mut PoolConfig, callback: Option<_>| {
            config.replace_password_callback(callback.map(|(callback, user_data)| {
                PasswordCallback::new(move |request: &PasswordRequest<'_>| ask(callback, &user_data, request))
            }))
        };
        // SAFETY: `config` is NULL or live.
        unsafe { set_callback(config, callback, (user_data, destroy), replace) }
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

fn ask(
    callback: unsafe extern "C-unwind" fn(
        *mut c_void,
        *const holdfast_password_request,
        *mut holdfast_password,
    ),
    user_data: &UserData,
    request: &PasswordRequest<'_>,
) -> Result<String, PasswordFailure> {
    let [host, user, dbname] = [request.host, request.user, request.dbname].map(Text::new);
    let left = request.deadline.saturating_duration_since(Instant::now());
    let told = holdfast_password_request {
        struct_size: size_of::<holdfast_password_request>() as u32,
        was_refused: i32::from(request.was_refused),
        host: host.view(),
        user: user.view(),
        dbname: dbname.view(),
        timeout_ms: u64::try_from(left.as_millis()).unwrap_or(u64::MAX),
        port: u32::from(request.port),
        reserved: 0,
    };
    let answer = Kept::<holdfast_password>::new(Answer(Mutex::new(None)));
    // SAFETY: the program gave the function for this data; the request and the place live until the call is over.
    unsafe { callback(user_data.get(), &raw const told, answer.as_ptr().cast_mut()) };
    let given = answer.0.lock().take();
    match given {
        Some(Ok(password)) => Ok(password),
        Some(Err(why)) => Err(why.into()),
        None => Err("it gave no password".into()),
    }
}

/// Gives the password, which is copied. A second call replaces the first. Only inside the callback that got the place; does
/// not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_password_give(
    password: *mut holdfast_password,
    value: *const c_char,
    value_len: usize,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    // SAFETY: `password` is NULL or live; the text is readable up to its length or NUL.
    let body = || unsafe {
        let value = text(value, value_len, "value")?;
        *look(password.cast_const())?.0.lock() = Some(Ok(value.to_owned()));
        Ok(())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Says why there is no password: the message is copied into the error of the attempt, so it must hold no secret. Replaces a
/// password that was given. Only inside the callback that got the place; does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_password_fail(
    password: *mut holdfast_password,
    message: *const c_char,
    message_len: usize,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    // SAFETY: `password` is NULL or live; the text is readable up to its length or NUL.
    let body = || unsafe {
        let message = text(message, message_len, "message")?;
        *look(password.cast_const())?.0.lock() = Some(Err(message.to_owned()));
        Ok(())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}
