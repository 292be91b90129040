//! Setting up sessions.
//!
//! A configuration can have a function that sets up every new session of its pools before a connection is given out: a role,
//! a time zone, search_path, prepared statements.

use std::ffi::{c_int, c_void};
use std::sync::Arc;

use super::connection::{CheckedOut, holdfast_connection};
use super::transaction::run_body;
use crate::config::PoolConfig;
use crate::error::{Error, ErrorKind, ServerMessage, SqlState};
use crate::ffi::capi::boundary::guard::{Failure, guard};
use crate::ffi::capi::boundary::handle::{free, look};
use crate::ffi::capi::library::error::{
    Described, HOLDFAST_FIELD_DETAIL, HOLDFAST_FIELD_HINT, HOLDFAST_FIELD_MESSAGE, HOLDFAST_FIELD_SEVERITY,
    HOLDFAST_FIELD_SQLSTATE, holdfast_error,
};
use crate::ffi::capi::library::status::{holdfast_status, of_kind};
use crate::ffi::capi::pools::config::{holdfast_config, set_callback};
use crate::ffi::capi::pools::log::{UserData, holdfast_destroy};
use crate::pool::{ConnectHook, PooledConnection, SetUp};

/// Sets up a new session. Returns HOLDFAST_STATUS_OK to have its connection used. Any other status closes it and fails its
/// opening: mostly the one of a call that failed and put its error into *error, or HOLDFAST_STATUS_CONFIG. *error is NULL at
/// first; what the function leaves there belongs to the library.
///
/// Called on the thread that opens the connection, which may be the caller's or one of the library's, by several at once,
/// never while a lock is held. The connection belongs to the library: the function must not release it, discard it, keep it,
/// or leave a transaction, a result or a request on it open. All that blocks is allowed, but for acquiring a connection of the
/// same pool, which is HOLDFAST_STATUS_MISUSE. It must not leave by longjmp or by an exception.
pub type holdfast_connect_callback = Option<
    unsafe extern "C-unwind" fn(
        user_data: *mut c_void,
        connection: *mut holdfast_connection,
        error: *mut *mut holdfast_error,
    ) -> holdfast_status,
>;

/// Has the callback set up every new session of the pools made from this configuration, before its connection is given out.
/// That is part of opening it: statements count against the deadline of the attempt (connection_timeout), closing the pool
/// ends them, and a failure is that of the opening, with the phase "setup" (holdfast_error_phase) and the callback's status if
/// it is HOLDFAST_STATUS_DATABASE, _CONNECTION_LOST, _QUERY_TIMEOUT, _CANCELED or _MISUSE, else HOLDFAST_STATUS_CONFIG;
/// HOLDFAST_STATUS_CONNECT_TIMEOUT if it did not end in time. It runs once per session, and again after each reset of the
/// session if the option session_reset is on. NULL as callback, or a second call, ends what an earlier call began, for pools
/// yet to be made. destroy and user_data are as for holdfast_config_set_log. If this call fails, user_data stays with the
/// caller, and destroy is not called. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_config_set_connect(
    config: *mut holdfast_config,
    callback: holdfast_connect_callback,
    user_data: *mut c_void,
    destroy: holdfast_destroy,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let hook = |callback: unsafe extern "C-unwind" fn(_, _, _) -> _, user_data: UserData| {
        ConnectHook::new(move |conn| {
            // SAFETY: the program gave the function for this data.
            set_up(conn, |checkout, error| unsafe { callback(user_data.get(), checkout, error) })
        })
    };
    let body = || {
        let replace = |config: &mut PoolConfig, callback: Option<_>| {
            config.replace_hook(callback.map(|(callback, data)| Arc::new(hook(callback, data)) as _))
        };
        // SAFETY: `config` is NULL or live.
        unsafe { set_callback(config, callback, (user_data, destroy), replace) }
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

fn set_up(
    conn: PooledConnection,
    callback: impl FnOnce(*mut holdfast_connection, *mut *mut holdfast_error) -> holdfast_status,
) -> SetUp {
    match run_body("on_connect", CheckedOut::to_hook(conn), callback) {
        Ok((conn, Ok(()))) => (Some(conn), Ok(())),
        Ok((conn, Err(failure))) => (Some(conn), Err(core_error(failure).into())),
        Err(failure) => (None, Err(core_error(failure).into())),
    }
}

/// Returns the core's error for a failure that a function of the program's reported.
fn core_error(failure: Failure) -> Error {
    match failure {
        Failure::Core(error) => error,
        Failure::Call { status, message } => Error::new(kind_of(status), message),
        Failure::Given { status, error } => {
            let error = error.into_raw();
            // SAFETY: it was live when it was given, and is ours.
            let made = unsafe { look(error.cast_const()) }.map(|described| given_error(status, described));
            // SAFETY: as above; it is not used again.
            unsafe { free(error) };
            made.unwrap_or_else(|_| Error::new(kind_of(status), "no reason was given"))
        }
    }
}

fn given_error(status: holdfast_status, described: &Described) -> Error {
    let field = |code: c_int| described.server.find(code).map(|text| text.as_str().to_owned());
    let error = Error::new(kind_of(status), described.message.as_str()).set_retryable(described.retryable);
    let Some(sqlstate) = field(HOLDFAST_FIELD_SQLSTATE) else { return error };
    let said = |code| field(code).unwrap_or_default();
    let mut server = ServerMessage::new(
        said(HOLDFAST_FIELD_SEVERITY),
        SqlState::from_code(&sqlstate),
        said(HOLDFAST_FIELD_MESSAGE),
    );
    (server.detail, server.hint) = (field(HOLDFAST_FIELD_DETAIL), field(HOLDFAST_FIELD_HINT));
    error.with_server_message(server)
}

/// Returns the kind of failure that a status stands for. The program's own statuses are none of the core's.
fn kind_of(status: holdfast_status) -> ErrorKind {
    let known = ErrorKind::ALL.iter().find(|kind| of_kind(**kind) == status);
    known.copied().unwrap_or(ErrorKind::Config)
}
