//! Errors of transactions that did not commit, or may not have.

use std::fmt;

use super::{Error, ErrorKind, Phase, is_transaction_conflict};

/// The mark of a rollback: the server answered COMMIT with one, or would have, or a statement was undone because of
/// another. It stands behind the error as its source and distinguishes it from the error of a statement itself.
#[derive(Debug)]
pub(crate) struct RolledBack;

impl fmt::Display for RolledBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the transaction had failed and was rolled back instead of committed")
    }
}

impl std::error::Error for RolledBack {}

impl Error {
    /// Makes the error of a COMMIT after a statement of the transaction had failed with `sqlstate` and the failure was
    /// ignored.
    pub(crate) fn rolled_back(sqlstate: Option<&str>) -> Self {
        let code = sqlstate.map(|code| format!(" with SQLSTATE {code}")).unwrap_or_default();
        let message = format!(
            "the transaction was rolled back, not committed: a statement in it had failed{code}, and COMMIT was asked for \
             all the same; pass the failure on, or run what may fail inside a savepoint"
        );
        Self::new(ErrorKind::Database, message)
            .in_phase(Phase::Commit)
            .set_retryable(sqlstate.is_some_and(is_transaction_conflict))
            .with_source(RolledBack)
    }

    /// Makes the error of a statement in an atomic pipeline in which another statement failed, for `cause`.
    pub(crate) fn fell_with(cause: &str, ran: bool) -> Self {
        let what = if ran { "undone" } else { "not run" };
        Self::new(ErrorKind::Database, format!("{what}, because {cause}"))
            .in_phase(Phase::Query)
            .set_retryable(false)
            .with_source(RolledBack)
    }

    /// Makes the error of a connection lost between COMMIT and its answer.
    pub(crate) fn commit_unknown(lost: Error) -> Self {
        let message =
            format!("COMMIT was sent, but the connection was lost before its answer came: {}", lost.cause());
        Self::new(ErrorKind::CommitUnknown, message).in_phase(Phase::Commit).with_source(lost)
    }
}
