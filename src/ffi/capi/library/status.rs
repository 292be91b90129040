//! Status codes.
//!
//! The result of nearly every function. 0 is success. Codes 1 to 63 are kinds of failure of the pool and the server,
//! the same as in every other binding; from 64 on they are about the call itself. Codes are never given another
//! meaning; later versions may add some, so treat an unknown one as a failure.

use super::text::{holdfast_str, literal};
use crate::error::{Error, ErrorKind, RolledBack, find_source};
use crate::ffi::capi::boundary::guard::{Failure, or_default};

/// A status code.
pub type holdfast_status = i32;

/// Success.
pub const HOLDFAST_STATUS_OK: i32 = 0;
// One for each kind of error.
include!(concat!(env!("OUT_DIR"), "/status_constants.rs"));
/// A pointer that must not be NULL is NULL.
pub const HOLDFAST_STATUS_NULL: i32 = 64;
/// A text is not UTF-8, or has a NUL where none can be.
pub const HOLDFAST_STATUS_UTF8: i32 = 65;
/// An argument has a value that is not allowed.
pub const HOLDFAST_STATUS_ARGUMENT: i32 = 66;
/// Another thread is in a call on the same object, which takes one at a time.
pub const HOLDFAST_STATUS_BUSY: i32 = 67;
/// A value cannot be read as the type asked for.
pub const HOLDFAST_STATUS_TYPE: i32 = 68;
/// The value asked for is the NULL of SQL.
pub const HOLDFAST_STATUS_IS_NULL: i32 = 69;
/// A defect in the library was caught. The connection in use was discarded.
pub const HOLDFAST_STATUS_PANIC: i32 = 70;
/// The transaction was rolled back although its COMMIT was asked for, since a statement in it had failed. A body of
/// holdfast_pool_transaction that wants its transaction rolled back returns this too. Of a statement in a pipeline: it was
/// undone or not run, because another one failed.
pub const HOLDFAST_STATUS_ROLLED_BACK: i32 = 71;
/// A queue has taken on as many requests as it may, or no thread could be started for them: drain it, and submit again.
pub const HOLDFAST_STATUS_QUEUE_FULL: i32 = 72;
/// The call would block, which is not possible inside a callback that the library made on its own account.
pub const HOLDFAST_STATUS_REENTRANT: i32 = 73;

/// The code of a kind: the number in its row.
pub(in crate::ffi::capi) fn of_kind(kind: ErrorKind) -> holdfast_status {
    kind as holdfast_status
}

pub(in crate::ffi::capi) fn of_error(error: &Error) -> holdfast_status {
    if find_source::<RolledBack>(error).is_some() {
        return HOLDFAST_STATUS_ROLLED_BACK;
    }
    of_kind(error.kind())
}

pub(in crate::ffi::capi) fn of_failure(failure: &Failure) -> holdfast_status {
    match failure {
        Failure::Core(error) => of_error(error),
        Failure::Call { status, .. } | Failure::Given { status, .. } => *status,
    }
}

/// The name of a code, as text that ends in NUL.
pub(in crate::ffi::capi) fn name(status: holdfast_status) -> &'static str {
    match status {
        HOLDFAST_STATUS_OK => "ok\0",
        HOLDFAST_STATUS_NULL => "null\0",
        HOLDFAST_STATUS_UTF8 => "utf8\0",
        HOLDFAST_STATUS_ARGUMENT => "argument\0",
        HOLDFAST_STATUS_BUSY => "busy\0",
        HOLDFAST_STATUS_TYPE => "type\0",
        HOLDFAST_STATUS_IS_NULL => "is_null\0",
        HOLDFAST_STATUS_PANIC => "panic\0",
        HOLDFAST_STATUS_ROLLED_BACK => "rolled_back\0",
        HOLDFAST_STATUS_QUEUE_FULL => "queue_full\0",
        HOLDFAST_STATUS_REENTRANT => "reentrant\0",
        _ => ErrorKind::name_of_number(status),
    }
}

/// The name of a status code in snake case, such as "server_full"; "unknown" for a code that this version does not have.
/// The text is static. Any thread; does not block.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn holdfast_status_name(status: holdfast_status) -> holdfast_str {
    or_default(literal("unknown\0"), || Ok(literal(name(status))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_code_of_its_own_and_the_name_it_has_in_rust() {
        let codes: Vec<_> = ErrorKind::ALL.iter().copied().map(of_kind).collect();
        assert_eq!(codes, (1..=20).collect::<Vec<_>>());
        for &kind in ErrorKind::ALL {
            assert_eq!(name(of_kind(kind)).trim_end_matches('\0'), kind.name());
        }
    }
}
