//! Whether the connections of a pool prepare statements by name: one decision for all of them.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Shared by the connections of a pool.
///
/// A pooler in between that gives each transaction another server connection, and does not know of prepared statements, makes
/// names useless: a statement is prepared on one server connection and looked for on another. That shows when a name is
/// missing (26000) which this connection prepared and nothing took away, or stands (42P05) which it had closed. From then on
/// nothing is prepared by name on any connection of the pool.
#[derive(Debug, Default)]
pub(crate) struct StatementMode {
    unnamed: AtomicBool,
}

impl StatementMode {
    /// Whether statements are sent without names, because a name was found not to last.
    #[inline]
    pub(crate) fn is_unnamed(&self) -> bool {
        self.unnamed.load(Relaxed)
    }

    /// A name was missing, or there, without a reason. The first time, the remedy is logged.
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
