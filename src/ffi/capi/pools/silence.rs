//! Silence.
//!
//! For a host that is about to end, or to unload the code of its callbacks: an interpreter's finalization, atexit, dlclose.

use std::sync::Arc;

use super::pool::holdfast_pool;
use crate::config::password::PasswordCallback;
use crate::config::{PoolConfig, SessionHook};
use crate::error::{Error, ErrorKind};
use crate::ffi::capi::boundary::guard::{Failure, Outcome, guard, milliseconds};
use crate::ffi::capi::boundary::handle::hold;
use crate::ffi::capi::library::error::holdfast_error;
use crate::ffi::capi::library::status::{HOLDFAST_STATUS_BUSY, holdfast_status};
use crate::logging::LogSink;
use crate::observe::event::EventSink;
use crate::pool::ConnectHook;
use crate::sys::gate::Gate;

/// The functions of a configuration that a pool calls.
pub(in crate::ffi::capi) struct Callbacks {
    log: Option<LogSink>,
    event: Option<EventSink>,
    password: Option<PasswordCallback>,
    connect: Option<Arc<dyn SessionHook>>,
}

pub(in crate::ffi::capi) type PoolGate = Arc<Gate<Callbacks>>;

/// Puts the functions of a configuration behind a gate of the one pool that will be made from it.
pub(super) fn gate_before(config: &mut PoolConfig) -> PoolGate {
    let (log, password) = (config.replace_sink(None), config.replace_password_callback(None));
    let (event, connect) = (config.replace_event_sink(None), config.replace_hook(None));
    let (tells_events, sets_up) = (event.is_some(), connect.is_some());
    let gate =
        Arc::new(Gate::new(Callbacks { log: log.clone(), event, password: password.clone(), connect }));
    config.replace_sink(log.map(|log| {
        let gate = gate.clone();
        log.behind(move |call| {
            if let Some(callbacks) = gate.pass() {
                callbacks.log.iter().for_each(call);
            }
        })
    }));
    config.replace_event_sink(tells_events.then(|| {
        let gate = gate.clone();
        EventSink::behind(move |call| {
            if let Some(callbacks) = gate.pass() {
                callbacks.event.iter().for_each(call);
            }
        })
    }));
    config.replace_password_callback(password.map(|password| {
        let gate = gate.clone();
        password.behind(move |call| match gate.pass() {
            Some(callbacks) => callbacks.password.as_ref().map_or_else(|| Err(SILENCED.into()), call),
            None => Err(SILENCED.into()),
        })
    }));
    config.replace_hook(sets_up.then(|| {
        let gate = gate.clone();
        let hook = ConnectHook::new(move |conn| {
            let refused = || Err(Error::new(ErrorKind::PoolClosed, SILENCED).into());
            match gate.pass() {
                Some(callbacks) => match &callbacks.connect {
                    Some(hook) => ConnectHook::call(&**hook, conn).unwrap_or_else(|| (None, refused())),
                    None => (Some(conn), refused()),
                },
                None => (Some(conn), refused()),
            }
        });
        Arc::new(hook) as _
    }));
    gate
}

const SILENCED: &str = "the pool was silenced, so that its callback for new sessions is not called any more";

/// Refuses to run a function of the program's for a pool that was silenced.
pub(in crate::ffi::capi) fn silenced() -> Failure {
    Failure::Core(Error::new(
        ErrorKind::PoolClosed,
        "the pool was silenced: it calls no function of the program any more",
    ))
}

/// The end of a silence that was waited for.
pub(in crate::ffi::capi) fn is_silent(done: bool) -> Outcome {
    if done {
        return Ok(());
    }
    let words = "a callback has not returned in time: no further one is called, and this may be asked again";
    Err(Failure::new(HOLDFAST_STATUS_BUSY, words))
}

/// Ends all calls of the program's functions by a pool: those for log records, events, passwords and new sessions
/// (holdfast_config_set_log, _set_event, _set_password, _set_connect), and bodies submitted by holdfast_submit_transaction.
/// From this call on, no further one begins. When it returns HOLDFAST_STATUS_OK, none is under way, on any thread, and none
/// will come until the process ends; what the pool held of user_data is given up: destroy was called, on this thread at the
/// latest, unless the configuration, a clone of it, or another pool made from it has it still. HOLDFAST_STATUS_BUSY if one is
/// under way for longer than timeout_ms, as one that waits for a lock of this thread is: it is the last, and the call may be
/// repeated.
///
/// The pool goes on without them, for all its handles, and nothing undoes it: what was submitted stays, records and events are
/// lost, sessions that need a password or a set-up from the program are not opened any more (HOLDFAST_STATUS_AUTH,
/// _CONFIG), and bodies that did not begin end with HOLDFAST_STATUS_POOL_CLOSED; their destroy is not
/// called. Other pools, also those made from the same
/// configuration, are not touched; the callback of a queue is ended by holdfast_queue_silence. Body functions of
/// holdfast_pool_transaction run on the threads of their callers, and are left alone. Any thread; blocks for at most timeout_ms.
/// HOLDFAST_STATUS_REENTRANT inside a callback.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_pool_silence(
    pool: *const holdfast_pool,
    timeout_ms: u64,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: `pool` is NULL or live.
        let pool = unsafe { hold(pool)? };
        Failure::if_in_callback()?;
        is_silent(pool.gate.shut(milliseconds(timeout_ms)))
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}
