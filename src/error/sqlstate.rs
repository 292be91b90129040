//! The SQLSTATE codes that Holdfast acts on, and what each of them means to it.
//!
//! The names are those of PostgreSQL's `errcodes.txt`. No other room spells a code: it asks one of the predicates.

use super::Error;

pub(super) const PROTOCOL_VIOLATION: &str = "08P01";
pub(crate) const FEATURE_NOT_SUPPORTED: &str = "0A000";
const INVALID_PARAMETER_VALUE: &str = "22023";
pub(crate) const READ_ONLY_SQL_TRANSACTION: &str = "25006";
pub(crate) const INVALID_SQL_STATEMENT_NAME: &str = "26000";
const INVALID_CATALOG_NAME: &str = "3D000";
const SERIALIZATION_FAILURE: &str = "40001";
const DEADLOCK_DETECTED: &str = "40P01";
pub(crate) const INSUFFICIENT_PRIVILEGE: &str = "42501";
const UNDEFINED_OBJECT: &str = "42704";
pub(crate) const DUPLICATE_PREPARED_STATEMENT: &str = "42P05";
pub(crate) const TOO_MANY_CONNECTIONS: &str = "53300";
pub(crate) const QUERY_CANCELED: &str = "57014";
const ADMIN_SHUTDOWN: &str = "57P01";
const CRASH_SHUTDOWN: &str = "57P02";
pub(crate) const CANNOT_CONNECT_NOW: &str = "57P03";
const DATABASE_DROPPED: &str = "57P04";
pub(crate) const IDLE_SESSION_TIMEOUT: &str = "57P05";
const CONNECTION_FAILURE: &str = "08006";
const OBJECT_IN_USE: &str = "55006";
const LOCK_NOT_AVAILABLE: &str = "55P03";
const SYSTEM_ERROR: &str = "58000";
const IO_ERROR: &str = "58030";
pub(super) const INTERNAL_ERROR: &str = "XX000";

/// Returns whether the server rolled the transaction back for a conflict with another: a serialization failure or a
/// deadlock. Running the transaction again is safe.
pub(crate) fn is_transaction_conflict(code: &str) -> bool {
    matches!(code, SERIALIZATION_FAILURE | DEADLOCK_DETECTED)
}

/// Returns whether the server refused to write, because it or the transaction is read-only.
pub(crate) fn is_read_only(code: [u8; 5]) -> bool {
    code == *READ_ONLY_SQL_TRANSACTION.as_bytes()
}

/// Returns whether the server ended the session because it shuts down, on command or after a crash.
pub(crate) fn is_shutdown(code: &str) -> bool {
    matches!(code, ADMIN_SHUTDOWN | CRASH_SHUTDOWN)
}

/// Returns whether a session was ended by an administrator's command, a crash or a timeout. Met at its start, the next try finds
/// the cause gone, or is told a better one.
pub(super) fn ends_by_command_or_timeout(code: &str) -> bool {
    matches!(code, ADMIN_SHUTDOWN | CRASH_SHUTDOWN | DATABASE_DROPPED | IDLE_SESSION_TIMEOUT)
        || is_of_transaction_state(code)
}

/// Returns whether a session could not be begun for a cause that passes: the server is out of memory, disk or another resource
/// (class 53), something is in use or locked at present, the start-up was cancelled or lost a conflict (a login trigger), or
/// the operating system failed.
pub(super) fn is_passing_at_opening(code: &str) -> bool {
    code.starts_with("53")
        || code.starts_with("40")
        || matches!(code, QUERY_CANCELED | OBJECT_IN_USE | LOCK_NOT_AVAILABLE | SYSTEM_ERROR | IO_ERROR)
}

/// Returns whether the code is of class 28, "invalid authorization specification".
pub(super) fn is_refused_authorization(code: &str) -> bool {
    code.starts_with("28")
}

/// Returns whether the code is of class 08, "connection exception".
pub(super) fn is_connection_exception(code: &str) -> bool {
    code.starts_with("08")
}

/// Returns whether there is no database of the name.
pub(super) fn is_unknown_catalog(code: &str) -> bool {
    code == INVALID_CATALOG_NAME
}

/// Returns whether poolers use the code to say that they had no server for a statement.
pub(super) fn is_pooler_checkout(code: &str) -> bool {
    matches!(code, SYSTEM_ERROR | INTERNAL_ERROR | CONNECTION_FAILURE | TOO_MANY_CONNECTIONS)
}

/// Returns whether a resource of the server is used up: its disk, its memory, or another limit than that of connections.
pub(super) fn is_out_of_resources(code: &str) -> bool {
    code.starts_with("53") && code != TOO_MANY_CONNECTIONS
}

/// Returns whether the code is of class 25, "invalid transaction state": a timeout of the transaction, for instance.
pub(crate) fn is_of_transaction_state(code: &str) -> bool {
    code.starts_with("25")
}

/// Returns whether a statement failed for its own content or for a conflict with other statements: a data exception (22),
/// an integrity constraint (23), a transaction rollback (40), a syntax error or a missing right (42).
pub(crate) fn is_fault_of_statement(code: [u8; 5]) -> bool {
    matches!(&code[..2], b"22" | b"23" | b"40" | b"42")
}

impl Error {
    fn has_code(&self, codes: &[&str]) -> bool {
        self.sqlstate().is_some_and(|state| codes.contains(&state.code()))
    }

    /// Returns whether the server reports that it cancelled a statement, on request or for a timeout.
    #[cfg(feature = "capi")]
    pub(crate) fn is_query_canceled(&self) -> bool {
        self.has_code(&[QUERY_CANCELED])
    }

    /// Returns whether the server cannot change a setting: the setting does not exist (a relative of PostgreSQL), the value
    /// is not supported (`client_connection_check_interval` on some systems), or the role lacks the right.
    pub(crate) fn is_setting_unavailable(&self) -> bool {
        self.has_code(&[UNDEFINED_OBJECT, INVALID_PARAMETER_VALUE, INSUFFICIENT_PRIVILEGE])
    }
}
