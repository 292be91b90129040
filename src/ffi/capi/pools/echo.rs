//! Echo pools.
//!
//! A pool that needs no server, for tests of programs and of bindings: its connections lead to a stand-in within this
//! process, which answers statements with themselves. All else is as with any pool: queueing, deadlines, cancelling,
//! closing, fork. What the stand-in answers:
//!
//! - A statement with parameters ($1 and so on in its text, or given with the call): one row of them, in columns p1, p2 and
//!   so on. Their types are those given in holdfast_param, else text (25). They come back as they were given; where another
//!   format is asked for they are translated, if the type is a text type or one that HOLDFAST_FORMAT_AUTOMATIC has in
//!   binary, and otherwise refused (0A000).
//! - Any other statement: one row with its text, in a column sql of type text.
//! - BEGIN, START TRANSACTION, COMMIT, END, ROLLBACK, ABORT, SAVEPOINT, RELEASE, ROLLBACK TO: as a server, with its warnings
//!   and errors. After an error in a transaction all else is refused until its end (25P02). What a transaction did is not
//!   undone, since nothing is done.
//! - echo:rows N: N rows of a number n (int4, from 1 on) and a text word ("row 1").
//! - echo:error SQLSTATE text: that error.
//! - echo:sleep MS: its own text, after so many milliseconds. Can be cancelled (57014).
//! - echo:notice text: a notice, and then its own text.
//! - echo:notify channel payload: a notification to this very connection, and then its own text.
//! - echo:drop: the connection breaks.
//! - A script: the answers to its statements, which ; divides where it is not quoted. The first error ends it.
//!
//! No other statement is understood: SET, COPY and LISTEN are texts like any other.

use super::config::{holdfast_config, read_config};
use super::pool::{PoolHandle, holdfast_pool};
use crate::config::PoolConfig;
use crate::ffi::capi::boundary::guard::{Out, guard};
use crate::ffi::capi::library::error::holdfast_error;
use crate::ffi::capi::library::status::holdfast_status;
use crate::pool::Pool;

/// Opens a pool that needs no server and puts it into *pool; free it with holdfast_pool_free. config may be NULL: then
/// environment and defaults decide, as for holdfast_config_new. Options about the pool hold (max_size, idle_timeout,
/// statement_cache, statement_deadline, ...), those about reaching a server are not looked at (host, port, user, sslmode,
/// target_session_attrs, ...). The pool's target is "echo". Each of its connections has a thread of its own, which ends with
/// the connection. HOLDFAST_STATUS_CONFIG if the configuration cannot work. Any thread; does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_pool_open_echo(
    config: *const holdfast_config,
    pool: *mut *mut holdfast_pool,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: `pool` is NULL or writable.
        let out = unsafe { Out::new(pool, "pool")? };
        let config = if config.is_null() {
            PoolConfig::new()
        } else {
            // SAFETY: `config` is live.
            unsafe { read_config(config, |config| Ok(config.clone()))? }
        };
        out.set(PoolHandle::open(config, Pool::echo)?);
        Ok(())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}
