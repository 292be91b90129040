//! Statements that the pool runs for itself: validation, cleaning, queries about the server.
//!
//! All of them go through the session, on a connection that is not checked out, under a deadline, and do not count as statements of
//! the pool's users. What a caller left behind in the session must not change what they mean:
//!
//! - A `search_path` can put other functions, operators and types in front of those of the server. So every name in such a
//!   statement is qualified with `pg_catalog`, operators and the types of casts included.
//! - A role (`set role`) and a `statement_timeout` are put aside for the transaction that a question runs in.

use std::time::{Duration, Instant};

use super::server_connection::OpenConnection;
use crate::error::Error;
use crate::link::Link;
use crate::session::{RawSession, ResultBlock};

/// Puts a caller's settings aside. Together with the question it is one message, and so one transaction, with whose end they
/// come back. Its first statement alone is bounded by the caller's `statement_timeout`.
const AS_ITSELF: &str =
    "set local statement_timeout = 0; set local role none; set local search_path = pg_catalog; ";

/// The most sessions that a server can have (`MAX_BACKENDS` in `postmaster.h`). What counts sessions computes with numbers up to
/// this one.
pub(in crate::pool) const MAX_SESSIONS: u32 = 0x3_ffff;

/// Adds numbers of sessions, up to as many as there can be.
pub(in crate::pool) fn add_sessions(total: &mut u32, more: u32) {
    *total = total.saturating_add(more).min(MAX_SESSIONS);
}

/// A row of an answer, its values as text. Columns that a server leaves out are missing, like NULL: the number of columns is
/// never taken for granted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::pool) struct TextRow(Vec<Option<String>>);

impl TextRow {
    /// Returns the value of a column; `None` when it is NULL or missing.
    pub(in crate::pool) fn text(&self, column: usize) -> Option<&str> {
        self.0.get(column)?.as_deref()
    }

    /// Returns the value of a column as a number; `None` also when it is none.
    pub(in crate::pool) fn number<T: std::str::FromStr>(&self, column: usize) -> Option<T> {
        self.text(column)?.parse().ok()
    }

    /// Returns the value of a column as a number of sessions or slots: at most as many as any server can have, whatever this one
    /// claims. `None` also when it is negative.
    pub(in crate::pool) fn sessions(&self, column: usize) -> Option<u32> {
        let claimed: i64 = self.number(column)?;
        u32::try_from(claimed.min(i64::from(MAX_SESSIONS))).ok()
    }

    /// Returns all values.
    pub(in crate::pool) fn into_values(self) -> Vec<Option<String>> {
        self.0
    }

    fn all_of(block: &ResultBlock) -> impl Iterator<Item = Self> {
        let text =
            |row, column| block.cell(row, column).map(|text| String::from_utf8_lossy(text).into_owned());
        (0..block.rows())
            .map(move |row| Self((0..block.columns().len()).map(|column| text(row, column)).collect()))
    }
}

impl From<Vec<Option<String>>> for TextRow {
    fn from(values: Vec<Option<String>>) -> Self {
        Self(values)
    }
}

impl OpenConnection {
    /// Runs a script for the pool, to be answered by `deadline`, and returns the rows of all its statements.
    ///
    /// # Errors
    /// The server's error, or the loss of the connection. The link knows the connection's state afterwards.
    pub(in crate::pool) fn run_for_pool(
        &mut self,
        sql: &str,
        deadline: Instant,
    ) -> Result<Vec<TextRow>, Error> {
        let answered = self.work_for_pool(deadline, |raw, _| raw.script(sql));
        Ok(answered?.iter().flat_map(TextRow::all_of).collect())
    }

    /// Asks the server a question of the pool's, as the pool's own user: not under a role, a `search_path` or a
    /// `statement_timeout` that a caller has set. The session must be at rest.
    ///
    /// # Errors
    /// As for [`run_for_pool`](Self::run_for_pool).
    pub(in crate::pool) fn ask_for_pool(
        &mut self,
        sql: &str,
        deadline: Instant,
    ) -> Result<Vec<TextRow>, Error> {
        self.run_for_pool(&format!("{AS_ITSELF}{sql}"), deadline)
    }

    /// Does work of the pool's on the session, within `deadline`.
    pub(in crate::pool) fn work_for_pool<T>(
        &mut self,
        deadline: Instant,
        work: impl FnOnce(&mut RawSession<'_>, &Link) -> T,
    ) -> T {
        let done = {
            let _limits = PoolLimits::set(&self.link, deadline);
            let _paused = self.link.traffic().pause_counting();
            work(&mut RawSession::new(&self.link, &self.cancel, &mut self.session), &self.link)
        };
        // Messages that the server sent meanwhile are not for the next caller.
        self.session.forget_messages();
        done
    }
}

/// The time limits of a statement of the pool's own, in place of those of its users' statements. Dropped, it restores these.
struct PoolLimits<'l> {
    link: &'l Link,
    limit: Option<Duration>,
}

impl<'l> PoolLimits<'l> {
    fn set(link: &'l Link, deadline: Instant) -> Self {
        let limit = link.statement_limit();
        link.set_statement_limit(None);
        link.set_deadline(Some(deadline));
        Self { link, limit }
    }
}

impl Drop for PoolLimits<'_> {
    fn drop(&mut self) {
        self.link.set_deadline(None);
        self.link.set_statement_limit(self.limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_that_a_server_leaves_out_are_missing_and_no_panic() {
        let row = TextRow::from(vec![Some("7".to_owned()), None, Some("seven".to_owned())]);
        assert_eq!(
            (row.text(0), row.text(1), row.text(2), row.text(3)),
            (Some("7"), None, Some("seven"), None)
        );
        assert_eq!((row.number::<u32>(0), row.number::<u32>(2), row.number::<u32>(9)), (Some(7), None, None));
    }

    #[test]
    fn a_question_runs_under_no_setting_of_the_callers_and_leaves_them_as_they_were() {
        let server = holdfast_testkit::embedded::EmbeddedPostgres::start().unwrap();
        let pool = crate::Pool::from_url(&server.url()).unwrap();
        let mut conn = pool.get().unwrap();
        let settings =
            "current_setting('role'), current_setting('search_path'), current_setting('statement_timeout')";
        conn.batch_execute("set role pg_monitor; set search_path = nowhere; set statement_timeout = '99ms'")
            .unwrap();
        let mut asks = |sql: &str| {
            let end = Instant::now() + Duration::from_secs(20);
            conn.conn_mut().ask_for_pool(sql, end).unwrap()[0].clone().into_values()
        };
        let asked = asks(&format!("select {settings} from pg_sleep(0.3)"));
        assert_eq!(asked, ["none", "pg_catalog", "0"].map(|value| Some(value.to_owned())));
        let row = conn.query_one(&format!("select {settings}"), &[]).unwrap();
        assert_eq!([0, 1, 2].map(|n| row.get::<_, String>(n)), ["pg_monitor", "nowhere", "99ms"]);
    }

    #[test]
    fn no_server_has_more_sessions_than_a_server_can_have() {
        let claims =
            ["0", "262143", "262144", "4294967296", "9223372036854775807", "-1", "9223372036854775808"];
        let row = TextRow::from(claims.map(|claim| Some(claim.to_owned())).to_vec());
        let read: Vec<_> = (0..=claims.len()).map(|column| row.sessions(column)).collect();
        let most = Some(MAX_SESSIONS);
        assert_eq!(read, [Some(0), most, most, most, most, None, None, None]);
        let mut total = 3;
        add_sessions(&mut total, MAX_SESSIONS);
        assert_eq!(total, MAX_SESSIONS);
    }
}
