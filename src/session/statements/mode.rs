//! The decision whether the connections of a pool prepare statements by name, one for all of them.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// The statement mode shared by the connections of a pool.
///
/// Names are useless behind a pooler that gives each transaction another server connection and does not track prepared
/// statements: a statement is prepared on one server connection and executed on another. The sign is a missing name (26000)
/// that this connection prepared and no command removed, or an existing one (42P05) that it had closed. From then on no
/// connection of the pool prepares by name. They are useless from the start where all sessions share one backend.
#[derive(Debug, Default)]
pub(crate) struct StatementMode {
    unnamed: AtomicBool,
}

impl StatementMode {
    /// Returns whether statements are sent without names, because a name did not last.
    #[inline]
    pub(crate) fn is_unnamed(&self) -> bool {
        self.unnamed.load(Relaxed)
    }

    /// Stops preparing by name, since all sessions of the server share one backend and with it the names.
    pub(in crate::session) fn note_shared_backend(&self) {
        if !self.unnamed.swap(true, Relaxed) {
            log::info!(
                target: "holdfast",
                "the sessions of this server share one backend (as in PGlite's socket server), and with it their prepared \
                 statements: this pool prepares nothing by name"
            );
        }
    }

    /// Stops preparing by name, after a name was missing or present without a reason. The first time, the remedy is logged.
    pub(in crate::session) fn stop_using_names(&self, sqlstate: &str) {
        if !self.unnamed.swap(true, Relaxed) {
            log::warn!(
                target: "holdfast",
                "prepared statements do not last on these connections (SQLSTATE {sqlstate}): a pooler in between seems to \
                 give transactions different server connections without keeping track of prepared statements. From now on \
                 this pool prepares nothing by name, which costs the server a parse for each statement. For the full \
                 speed use PgBouncer 1.21 or later with max_prepared_statements above 0; to go without names from the \
                 start, set statement_cache=0"
            );
        }
    }
}
