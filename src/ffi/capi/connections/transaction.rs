//! Transactions.
//!
//! holdfast_pool_transaction runs a callback in a transaction, and runs it again when the transaction conflicted with others.
//! The functions of connections begin and end one by hand; what is still open when the connection goes back is rolled back.

use std::ffi::{c_char, c_void};
use std::ptr;

use super::connection::{CheckedOut, holdfast_connection};
use crate::ffi::capi::boundary::growable;
use crate::ffi::capi::boundary::growable::Growing;
use crate::ffi::capi::boundary::guard::{Failure, GivenError, Outcome, guard, milliseconds, or_default};
use crate::ffi::capi::boundary::handle::{Kept, hold, look};
use crate::ffi::capi::library::error::holdfast_error;
use crate::ffi::capi::library::status::{self, HOLDFAST_STATUS_MISUSE, HOLDFAST_STATUS_OK, holdfast_status};
use crate::ffi::capi::library::text::text;
use crate::ffi::capi::pools::pool::{call, count, holdfast_acquire_options, holdfast_pool};
use crate::ffi::capi::statements::query::with_raw;
use crate::link::TransactionStatus;
use crate::pool::Came;
use crate::session::{Isolation, RawSession, TransactionOptions};
use crate::sys::callback;

/// Isolation: as the server's default_transaction_isolation.
pub const HOLDFAST_ISOLATION_DEFAULT: i32 = 0;
/// Each statement sees what was committed before it began.
pub const HOLDFAST_ISOLATION_READ_COMMITTED: i32 = 1;
/// All statements see what was committed before the first of them.
pub const HOLDFAST_ISOLATION_REPEATABLE_READ: i32 = 2;
/// As if transactions ran one after another; those that cannot are refused with SQLSTATE 40001.
pub const HOLDFAST_ISOLATION_SERIALIZABLE: i32 = 3;

/// Access: as the server's default_transaction_read_only.
pub const HOLDFAST_ACCESS_DEFAULT: i32 = 0;
/// Statements may write.
pub const HOLDFAST_ACCESS_READ_WRITE: i32 = 1;
/// The server refuses statements that write.
pub const HOLDFAST_ACCESS_READ_ONLY: i32 = 2;

/// Deferrable: as the server's default_transaction_deferrable.
pub const HOLDFAST_DEFERRABLE_DEFAULT: i32 = 0;
/// A serializable read-only transaction waits at its beginning until it cannot fail with 40001 any more.
pub const HOLDFAST_DEFERRABLE_YES: i32 = 1;
/// It does not.
pub const HOLDFAST_DEFERRABLE_NO: i32 = 2;

/// No transaction is open.
pub const HOLDFAST_TRANSACTION_IDLE: i32 = 0;
/// A transaction is open.
pub const HOLDFAST_TRANSACTION_ACTIVE: i32 = 1;
/// A transaction is open in which a statement failed: it can only be rolled back, as a whole or to a savepoint.
pub const HOLDFAST_TRANSACTION_FAILED: i32 = 2;
/// The state is unknown: the connection is lost, or a reply is still to come.
pub const HOLDFAST_TRANSACTION_UNKNOWN: i32 = 3;

/// The options of a transaction. All zero but struct_size means: as the server has it, and no limit of time.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct holdfast_transaction_options {
    /// sizeof(holdfast_transaction_options).
    pub struct_size: u32,
    /// A HOLDFAST_ISOLATION_ constant.
    pub isolation: i32,
    /// A HOLDFAST_ACCESS_ constant.
    pub access: i32,
    /// A HOLDFAST_DEFERRABLE_ constant.
    pub deferrable: i32,
    /// The most further runs after one that had to be undone; 0 means five, HOLDFAST_NO_RETRY none.
    /// holdfast_pool_transaction and holdfast_submit_transaction only.
    pub reruns: i32,
    /// 1 to find out, on another connection, whether a commit took effect when its answer was lost; else 0. Costs a
    /// round trip before each COMMIT, another before the first such transaction of a connection, and a transaction id
    /// even for what writes nothing. HOLDFAST_STATUS_COMMIT_UNKNOWN remains where the server crashed or was replaced by
    /// a standby. holdfast_pool_transaction and holdfast_submit_transaction only.
    pub resolve_commit: i32,
    /// Limit of the whole in milliseconds, getting connections, reruns and waits included, and deadline of its statements,
    /// besides that of the connection; 0 for none.
    pub timeout_ms: u64,
}

// SAFETY: repr(C); a u32, five i32, then a u64 at offset 24: no padding.
unsafe impl Growing for holdfast_transaction_options {}

/// The work of a transaction. Returns HOLDFAST_STATUS_OK to have it committed. Any other status has it rolled back, and
/// holdfast_pool_transaction returns that status: mostly the one of a call that failed and put its error into *error,
/// or HOLDFAST_STATUS_ROLLED_BACK. *error is NULL at first; what the body leaves there belongs to the library.
pub type holdfast_transaction_body = Option<
    unsafe extern "C-unwind" fn(
        user_data: *mut c_void,
        connection: *mut holdfast_connection,
        error: *mut *mut holdfast_error,
    ) -> holdfast_status,
>;

/// # Safety
/// `options` is NULL or as large as its `struct_size` says.
pub(in crate::ffi::capi) unsafe fn transaction_options(
    options: *const holdfast_transaction_options,
) -> Outcome<TransactionOptions> {
    const NAME: &str = "holdfast_transaction_options";
    let mut wanted = TransactionOptions::new();
    if options.is_null() {
        return Ok(wanted);
    }
    // SAFETY: as promised.
    let given = unsafe { growable::read(options, NAME)? };
    let wrong = |what: &str, value: i32| Failure::argument(format!("{NAME}: {what} cannot be {value}"));
    wanted = match given.isolation {
        HOLDFAST_ISOLATION_DEFAULT => wanted,
        HOLDFAST_ISOLATION_READ_COMMITTED => wanted.isolation(Isolation::ReadCommitted),
        HOLDFAST_ISOLATION_REPEATABLE_READ => wanted.isolation(Isolation::RepeatableRead),
        HOLDFAST_ISOLATION_SERIALIZABLE => wanted.isolation(Isolation::Serializable),
        other => return Err(wrong("isolation", other)),
    };
    wanted = match given.access {
        HOLDFAST_ACCESS_DEFAULT => wanted,
        HOLDFAST_ACCESS_READ_WRITE => wanted.read_only(false),
        HOLDFAST_ACCESS_READ_ONLY => wanted.read_only(true),
        other => return Err(wrong("access", other)),
    };
    wanted = match given.deferrable {
        HOLDFAST_DEFERRABLE_DEFAULT => wanted,
        HOLDFAST_DEFERRABLE_YES => wanted.deferrable(true),
        HOLDFAST_DEFERRABLE_NO => wanted.deferrable(false),
        other => return Err(wrong("deferrable", other)),
    };
    wanted = match given.resolve_commit {
        0 => wanted,
        1 => wanted.resolve_commit(true),
        other => return Err(wrong("resolve_commit", other)),
    };
    if let Some(most) = count(given.reruns, "holdfast_transaction_options: reruns")? {
        wanted = wanted.reruns(most);
    }
    if given.timeout_ms != 0 {
        wanted = wanted.timeout(milliseconds(given.timeout_ms));
    }
    Ok(wanted)
}

/// Uses the session of a connection, unless only the pool may do that for the body of a transaction.
fn by_hand(checkout: &CheckedOut, work: impl FnOnce(&mut RawSession<'_>) -> crate::Result<()>) -> Outcome {
    checkout.check_not_in_body()?;
    checkout.with(|conn| with_raw(conn, work))
}

/// Begins a transaction on the connection; options may be NULL. Their timeout_ms is the deadline of all that is done up to the
/// transaction's end. Blocks until the server answered. HOLDFAST_STATUS_MISUSE if one is open already; else as
/// holdfast_connection_query.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_connection_begin(
    connection: *mut holdfast_connection,
    options: *const holdfast_transaction_options,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: `connection` is NULL or live, `options` NULL or as large as its `struct_size` says.
        let (checkout, options) = unsafe { (hold(connection.cast_const())?, transaction_options(options)?) };
        by_hand(&checkout, |raw| raw.begin_transaction(&options))
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Commits the open transaction. Blocks until the server answered. HOLDFAST_STATUS_ROLLED_BACK if a statement had failed, so
/// that it was rolled back instead; HOLDFAST_STATUS_COMMIT_UNKNOWN if the connection was lost after COMMIT was sent and before
/// its answer came. After any other failure nothing was committed: HOLDFAST_STATUS_DATABASE if the server refused (a
/// deferred constraint, a conflict), HOLDFAST_STATUS_MISUSE if no transaction is open or a result was not read to its end.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_connection_commit(
    connection: *mut holdfast_connection,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: `connection` is NULL or live.
        let checkout = unsafe { hold(connection.cast_const())? };
        by_hand(&checkout, |raw| raw.commit())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Rolls the open transaction back; does nothing if none is open. Blocks until the server answered. Whatever it returns, the
/// transaction has come to nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_connection_rollback(
    connection: *mut holdfast_connection,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: `connection` is NULL or live.
        let checkout = unsafe { hold(connection.cast_const())? };
        by_hand(&checkout, |raw| raw.rollback())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// Runs a command about a savepoint.
///
/// # Safety
/// `connection` is NULL or live; `name` is readable up to its length or NUL; `error` is NULL or writable.
unsafe fn at_savepoint(
    connection: *mut holdfast_connection,
    name: *const c_char,
    name_len: usize,
    error: *mut *mut holdfast_error,
    work: impl FnOnce(&mut RawSession<'_>, &str) -> crate::Result<()>,
) -> holdfast_status {
    let body = || {
        // SAFETY: as promised.
        let (checkout, name) = unsafe { (hold(connection.cast_const())?, text(name, name_len, "name")?) };
        checkout.with(|conn| with_raw(conn, |raw| work(raw, name)))
    };
    // SAFETY: as promised.
    unsafe { guard(error, body) }
}

/// Sets a savepoint in the open transaction. Any text without a NUL will do as its name, which the library quotes; the
/// server distinguishes names by their first 63 bytes. Blocks and fails as holdfast_connection_query.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_connection_savepoint(
    connection: *mut holdfast_connection,
    name: *const c_char,
    name_len: usize,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    // SAFETY: the caller's promises are those that are asked for.
    unsafe { at_savepoint(connection, name, name_len, error, |raw, name| raw.savepoint(name)) }
}

/// Undoes what was done since a savepoint, which stays; a failed transaction can go on from there. Blocks and fails as
/// holdfast_connection_query.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_connection_rollback_to(
    connection: *mut holdfast_connection,
    name: *const c_char,
    name_len: usize,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    // SAFETY: the caller's promises are those that are asked for.
    unsafe { at_savepoint(connection, name, name_len, error, |raw, name| raw.rollback_to(name)) }
}

/// Forgets a savepoint; what was done since then stays part of the transaction. Blocks and fails as
/// holdfast_connection_query.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_connection_release_savepoint(
    connection: *mut holdfast_connection,
    name: *const c_char,
    name_len: usize,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    // SAFETY: the caller's promises are those that are asked for.
    unsafe { at_savepoint(connection, name, name_len, error, |raw, name| raw.release_savepoint(name)) }
}

/// The transaction status of the connection: a HOLDFAST_TRANSACTION_ constant, as of the server's last answer;
/// HOLDFAST_TRANSACTION_UNKNOWN for NULL. Any thread, also while the connection is in use; does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_connection_transaction_status(
    connection: *const holdfast_connection,
) -> i32 {
    or_default(HOLDFAST_TRANSACTION_UNKNOWN, || {
        // SAFETY: the caller gives NULL or a live connection.
        Ok(match unsafe { look(connection)? }.link.known_transaction_status() {
            TransactionStatus::Idle => HOLDFAST_TRANSACTION_IDLE,
            TransactionStatus::InTransaction => HOLDFAST_TRANSACTION_ACTIVE,
            TransactionStatus::Failed => HOLDFAST_TRANSACTION_FAILED,
            TransactionStatus::Unknown => HOLDFAST_TRANSACTION_UNKNOWN,
        })
    })
}

/// Checks out a connection, calls body with it in a transaction, on the calling thread, and commits if that returns
/// HOLDFAST_STATUS_OK. acquire_options and options may be NULL.
///
/// The body is called again, up to five times or as options say, after growing random waits (up to 10 ms, 20 ms and so on to
/// 1 s), when the transaction came to nothing for a reason that passes: the server says that it conflicted with others
/// (SQLSTATE 40001, 40P01), in a statement or at COMMIT, whatever the body made of that failure; or the connection was lost
/// before COMMIT was sent. So the body must not do what cannot be done twice.
///
/// The connection belongs to the library: the body must not release it, discard it, keep it, begin, commit or roll back, which
/// is refused or found out (HOLDFAST_STATUS_MISUSE). Savepoints are fine. A further connection of the same pool may be long in
/// coming if all are used by bodies that want another.
///
/// Unless it returns HOLDFAST_STATUS_OK or HOLDFAST_STATUS_COMMIT_UNKNOWN, nothing was committed. It returns what the body
/// returned, with the error that the body gave; HOLDFAST_STATUS_ROLLED_BACK also if the body returned HOLDFAST_STATUS_OK
/// although a statement had failed the transaction; HOLDFAST_STATUS_COMMIT_UNKNOWN if the connection was lost after COMMIT was
/// sent and before its answer came, which is never run again; HOLDFAST_STATUS_QUERY_TIMEOUT if the time was over before
/// COMMIT was sent; else as holdfast_pool_acquire and holdfast_connection_commit. Any thread. Blocks for as long as all this
/// takes, at most for timeout_ms of options and what the body does by itself.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_pool_transaction(
    pool: *const holdfast_pool,
    acquire_options: *const holdfast_acquire_options,
    options: *const holdfast_transaction_options,
    body: holdfast_transaction_body,
    user_data: *mut c_void,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let whole = || {
        // SAFETY: `pool` is NULL or live; the options are NULL or as large as they say.
        let (pool, call, options) =
            unsafe { (hold(pool)?, call(acquire_options)?, transaction_options(options)?) };
        let body = body.ok_or_else(|| Failure::null("body"))?;
        // SAFETY: the program gave the function for this data.
        let run = |conn| {
            run_body(BODY, CheckedOut::to_body(conn), |checkout, error| unsafe {
                body(user_data, checkout, error)
            })
        };
        pool.core.checkout_handle().transaction(call, &options, run)
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, whole) }
}

/// The name of a body in messages.
pub(in crate::ffi::capi) const BODY: &str = "the body of the transaction";

/// Gives a connection to a function of the program's, takes it back, and says what came of it.
pub(in crate::ffi::capi) fn run_body(
    name: &str,
    checkout: CheckedOut,
    body: impl FnOnce(*mut holdfast_connection, *mut *mut holdfast_error) -> holdfast_status,
) -> Outcome<Came<(), Failure>> {
    let checkout = Kept::<holdfast_connection>::new(checkout);
    let mut error: *mut holdfast_error = ptr::null_mut();
    let status = callback::run_body(|| body(checkout.as_ptr().cast_mut(), &raw mut error));
    // SAFETY: the body put NULL there, or an error that it gives away.
    let outcome = unsafe { said(name, status, error) };
    let conn = match checkout.take_back() {
        Ok(conn) => conn,
        // The body's own error is the more useful one.
        Err(failure) => return Err(outcome.err().unwrap_or(failure)),
    };
    if checkout.was_given_back() {
        let misuse = format!("{name} released or discarded its connection, which belongs to the library");
        return Ok((conn, Err(Failure::new(HOLDFAST_STATUS_MISUSE, misuse))));
    }
    Ok((conn, outcome))
}

/// The result of a body.
///
/// # Safety
/// `error` is NULL or a live error that nothing else will free.
unsafe fn said(function: &str, status: holdfast_status, error: *mut holdfast_error) -> Outcome {
    // SAFETY: as promised.
    let error = unsafe { look(error.cast_const()).is_ok().then(|| GivenError::new(error)) };
    match (status, error) {
        (HOLDFAST_STATUS_OK, _) => Ok(()),
        (status, Some(error)) => Err(Failure::Given { status, error }),
        (status, None) => {
            let name = status::name(status).trim_end_matches('\0');
            let words = format!("{function} returned {status} ({name})");
            Err(Failure::new(status, words))
        }
    }
}
