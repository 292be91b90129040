//! Transactions on a raw session, and the meaning of the server's answer to COMMIT.

use std::time::{Duration, Instant};

use super::exchange::broken;
use super::raw_session::RawSession;
use crate::error::{Error, ErrorKind, Phase, Result};
use crate::link::{Link, TransactionStatus};

/// The isolation level of a transaction ("Transaction Isolation" in PostgreSQL's documentation).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Isolation {
    /// The same as [`ReadCommitted`](Self::ReadCommitted): PostgreSQL shows nothing uncommitted.
    ReadUncommitted,
    /// Each statement sees what was committed before it began.
    ReadCommitted,
    /// All statements see what was committed before the first of them.
    RepeatableRead,
    /// Transactions behave as if run one after another; those that cannot fail with SQLSTATE 40001.
    Serializable,
}

/// The options of a transaction; see [`Pool::transaction_with`](crate::Pool::transaction_with). Options not set are the
/// server's defaults.
///
/// ```
/// use holdfast::{Isolation, TransactionOptions};
///
/// # let pool = holdfast::Pool::echo(holdfast::PoolConfig::new())?;
/// let options = TransactionOptions::new().isolation(Isolation::Serializable).reruns(9);
/// let balance = pool.transaction_with(options, |tx| {
///     Ok::<_, holdfast::Error>(tx.query_one("select $1", &[&"12.50"])?.get::<_, String>(0))
/// })?;
/// assert_eq!(balance, "12.50");
/// # Ok::<(), holdfast::Error>(())
/// ```
#[must_use = "options change nothing until a transaction is run with them"]
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TransactionOptions {
    pub(crate) isolation: Option<Isolation>,
    pub(crate) read_only: Option<bool>,
    pub(crate) deferrable: Option<bool>,
    pub(crate) reruns: Option<u32>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) resolve_commit: bool,
}

impl TransactionOptions {
    /// Returns the server's defaults, with five reruns and no time limit.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the isolation level.
    pub fn isolation(mut self, isolation: Isolation) -> Self {
        self.isolation = Some(isolation);
        self
    }

    /// Sets whether the server refuses statements that write.
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = Some(read_only);
        self
    }

    /// Sets whether a serializable read-only transaction waits at its beginning until it cannot fail with 40001 any more.
    pub fn deferrable(mut self, deferrable: bool) -> Self {
        self.deferrable = Some(deferrable);
        self
    }

    /// Sets how often a failed run may be followed by another. Default: 5; 0 for one run only.
    pub fn reruns(mut self, most: u32) -> Self {
        self.reruns = Some(most);
        self
    }

    /// Limits the total time: checking out connections, all runs, the waits between them. It is also the deadline of every
    /// statement, besides the connection's own. Default: none.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// Sets whether the outcome of a commit is looked up when its answer was lost. Costs a round trip before each COMMIT,
    /// another one before the first such transaction of each connection, and a transaction id even for a transaction that
    /// writes nothing. Default: no.
    ///
    /// If the answer is lost, another connection asks the server. A committed transaction is reported as such, an aborted one
    /// is run again, one in progress is waited for, within `timeout` (without one, within the option `connection_timeout`). The
    /// outcome stays unknown if the server has forgotten it, crashed, or was replaced by a standby meanwhile (system
    /// identifier, timeline and the age of the statistics are compared), since its answer could be about another transaction;
    /// and if this role may not read those. The error is then [`CommitUnknown`](crate::ErrorKind::CommitUnknown), with the
    /// transaction's id.
    ///
    /// ```
    /// let options = holdfast::TransactionOptions::new().timeout(std::time::Duration::from_secs(5)).resolve_commit(true);
    /// ```
    pub fn resolve_commit(mut self, resolve: bool) -> Self {
        self.resolve_commit = resolve;
        self
    }

    /// Returns the statement that begins the transaction.
    pub(crate) fn begin(&self) -> String {
        let isolation = self.isolation.map(|isolation| match isolation {
            Isolation::ReadUncommitted => "ISOLATION LEVEL READ UNCOMMITTED",
            Isolation::ReadCommitted => "ISOLATION LEVEL READ COMMITTED",
            Isolation::RepeatableRead => "ISOLATION LEVEL REPEATABLE READ",
            Isolation::Serializable => "ISOLATION LEVEL SERIALIZABLE",
        });
        let access = self.read_only.map(|only| if only { "READ ONLY" } else { "READ WRITE" });
        let deferrable = self.deferrable.map(|yes| if yes { "DEFERRABLE" } else { "NOT DEFERRABLE" });
        let modes: Vec<_> = [isolation, access, deferrable].into_iter().flatten().collect();
        format!("BEGIN {}", modes.join(", "))
    }

    /// Returns the deadline of a transaction that begins now.
    pub(crate) fn end(&self) -> Option<Instant> {
        self.timeout.and_then(|limit| Instant::now().checked_add(limit))
    }
}

/// The outcome of a COMMIT.
pub(crate) enum Commit {
    Done,
    /// The COMMIT took effect as a ROLLBACK.
    RolledBack,
    /// The server reported an error, and rolled back.
    Refused(Error),
    /// The connection was lost before the COMMIT was sent whole: the server cannot have run it.
    NotSent(Error),
    /// The COMMIT was sent, and its answer was lost.
    InDoubt(Error),
}

impl Commit {
    /// Interprets the answer to a COMMIT: its command tag, where known.
    pub(crate) fn of(answer: Result<Option<String>>, link: &Link) -> Self {
        let error = match answer {
            Ok(Some(tag)) if tag == "ROLLBACK" => return Self::RolledBack,
            Ok(_) => return Self::Done,
            Err(error) => error.in_phase(Phase::Commit),
        };
        match error.server() {
            // An error of a session that goes on is an answer. A FATAL error may come after the commit.
            Some(reported) if reported.severity == "ERROR" => Self::Refused(error),
            // The COMMIT failed on this side before it was sent.
            None if error.kind() == ErrorKind::Misuse => Self::NotSent(error),
            _ if link.is_busy() => Self::InDoubt(with_closing_sqlstate(error, link)),
            // The answer came, and the driver lost it over the FATAL message behind it.
            _ if link.transaction_status() == TransactionStatus::Idle => {
                if link.completed_last_statement() {
                    Self::Done
                } else {
                    Self::Refused(error)
                }
            }
            _ => Self::NotSent(error),
        }
    }
}

/// Adds the SQLSTATE of the message with which the server ended the session; the driver does not always pass it on.
fn with_closing_sqlstate(error: Error, link: &Link) -> Error {
    match link.failure() {
        Some(code) if error.server().is_none() => {
            error.with_note(format!("its last word was SQLSTATE {code}"))
        }
        _ => error,
    }
}

/// Quotes a name as an SQL identifier.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl RawSession<'_> {
    /// Begins a transaction. Of the options, `reruns` and `resolve_commit` have no meaning here; `timeout` is the deadline of
    /// all statements up to its end. A transaction still open when the connection is returned is rolled back. Blocks for a
    /// round trip.
    ///
    /// # Errors
    /// [`Misuse`](crate::ErrorKind::Misuse) when one is open.
    ///
    /// ```
    /// # let mut conn = holdfast::Pool::echo(holdfast::PoolConfig::new())?.get()?;
    /// let mut raw = conn.raw()?;
    /// raw.begin_transaction(&holdfast::TransactionOptions::new().read_only(true))?;
    /// raw.savepoint("attempt")?;
    /// raw.script("echo:error 23505 there is one already").unwrap_err();
    /// raw.rollback_to("attempt")?; // the transaction goes on
    /// raw.release_savepoint("attempt")?;
    /// raw.commit()?;
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn begin_transaction(&mut self, options: &TransactionOptions) -> Result<()> {
        self.start()?;
        if self.is_in_transaction() {
            return Err(Error::misuse("a transaction is open on this connection already"));
        }
        self.link().forget_failure();
        self.link().set_deadline(options.end());
        self.script(&options.begin()).map(drop).inspect_err(|_| self.link().set_deadline(None))
    }

    /// Commits the open transaction.
    ///
    /// # Errors
    /// Unless it is [`CommitUnknown`](crate::ErrorKind::CommitUnknown), nothing was committed. An error of kind
    /// [`Database`](crate::ErrorKind::Database) without a SQLSTATE means that the transaction had failed before.
    /// [`Misuse`](crate::ErrorKind::Misuse) when no transaction is open, or a result is not read to its end.
    pub fn commit(&mut self) -> Result<()> {
        // The connection may have been lost before, with a reply outstanding that is not the answer to a COMMIT.
        if let Some(fault) = self.link().fault() {
            return Err(broken(fault.into()).in_phase(Phase::Commit));
        }
        if !self.is_in_transaction() {
            return Err(Error::misuse("no transaction is open on this connection"));
        }
        let answer = self.script("COMMIT").map(|blocks| blocks.first().map(|b| b.command_tag().to_owned()));
        let outcome = Commit::of(answer, self.link());
        self.link().set_deadline(None);
        match outcome {
            Commit::Done => Ok(()),
            Commit::RolledBack => Err(Error::rolled_back(self.link().failure().as_deref())),
            Commit::Refused(error) | Commit::NotSent(error) => Err(error),
            Commit::InDoubt(error) => Err(Error::commit_unknown(error)),
        }
    }

    /// Rolls the open transaction back; does nothing when none is open.
    ///
    /// # Errors
    /// The connection's error. The transaction is rolled back even then.
    pub fn rollback(&mut self) -> Result<()> {
        if !self.is_in_transaction() {
            return Ok(());
        }
        let done = self.script("ROLLBACK").map(drop);
        self.link().set_deadline(None);
        done
    }

    /// Sets a savepoint in the open transaction. Any name is allowed; it is quoted.
    ///
    /// # Errors
    /// The server's error, for instance that no transaction is open.
    pub fn savepoint(&mut self, name: &str) -> Result<()> {
        self.script(&format!("SAVEPOINT {}", quoted(name))).map(drop)
    }

    /// Rolls back to a savepoint, which stays; a failed transaction can go on from there.
    ///
    /// # Errors
    /// The server's error, for instance that there is no such savepoint.
    pub fn rollback_to(&mut self, savepoint: &str) -> Result<()> {
        self.script(&format!("ROLLBACK TO SAVEPOINT {}", quoted(savepoint))).map(drop)
    }

    /// Releases a savepoint; statements run since then stay part of the transaction.
    ///
    /// # Errors
    /// The server's error, for instance that there is no such savepoint.
    pub fn release_savepoint(&mut self, name: &str) -> Result<()> {
        self.script(&format!("RELEASE SAVEPOINT {}", quoted(name))).map(drop)
    }

    pub(crate) fn is_in_transaction(&self) -> bool {
        let status = self.link().transaction_status();
        matches!(status, TransactionStatus::InTransaction | TransactionStatus::Failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_begins_with_the_modes_that_were_set() {
        assert_eq!(TransactionOptions::new().begin().trim_end(), "BEGIN");
        let options = TransactionOptions::new().isolation(Isolation::Serializable);
        assert_eq!(options.begin(), "BEGIN ISOLATION LEVEL SERIALIZABLE");
        assert_eq!(
            options.isolation(Isolation::RepeatableRead).read_only(true).deferrable(false).begin(),
            "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY, NOT DEFERRABLE"
        );
    }
}
