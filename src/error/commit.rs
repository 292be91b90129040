//! Transactions that did not commit, or of which it is not known.

use std::fmt;

use super::{Error, ErrorKind, Phase, is_transaction_conflict};

/// The server answered COMMIT with a rollback, or would have; or a statement came to nothing because of another. Stands
/// behind the error as its source, so that it can be told from an error that a statement met.
#[derive(Debug)]
pub(crate) struct RolledBack;

impl fmt::Display for RolledBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the transaction had failed and was rolled back instead of committed")
    }
}

impl std::error::Error for RolledBack {}

impl Error {
    /// A statement of the transaction had failed with `sqlstate`, and nobody had taken notice.
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

    /// Another statement of a pipeline that stands or falls as a whole had failed, as `cause` says.
    pub(crate) fn fell_with(cause: &str, ran: bool) -> Self {
        let what = if ran { "undone" } else { "not run" };
        Self::new(ErrorKind::Database, format!("{what}, because {cause}"))
            .in_phase(Phase::Query)
            .set_retryable(false)
            .with_source(RolledBack)
    }

    /// The connection was lost between COMMIT and its answer.
    pub(crate) fn commit_unknown(lost: Error) -> Self {
        let message =
            format!("COMMIT was sent, but the connection was lost before its answer came: {}", lost.cause());
        Self::new(ErrorKind::CommitUnknown, message).in_phase(Phase::Commit).with_source(lost)
    }
}
