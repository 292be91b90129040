//! Transactions on the direct lane, and what the server's answer to COMMIT means.

use std::time::{Duration, Instant};

use super::exchange::broken;
use super::lane::Lane;
use crate::error::{Error, ErrorKind, Phase, Result};
use crate::link::{Link, TransactionStatus};

/// How much a transaction sees of others ("Transaction Isolation" in PostgreSQL's documentation).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Isolation {
    /// As [`ReadCommitted`](Self::ReadCommitted): PostgreSQL shows nothing that was not committed.
    ReadUncommitted,
    /// Each statement sees what was committed before it began.
    ReadCommitted,
    /// All statements see what was committed before the first of them.
    RepeatableRead,
    /// As if transactions ran one after another; those that cannot are refused with SQLSTATE 40001.
    Serializable,
}

/// How a transaction is to run; see [`Pool::transaction_with`](crate::Pool::transaction_with). What is not set is as the
/// server's defaults have it.
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
    /// All as the server has it, five reruns, no limit of time.
    pub fn new() -> Self {
        Self::default()
    }

    /// How much it sees of others.
    #[must_use]
    pub fn isolation(mut self, isolation: Isolation) -> Self {
        self.isolation = Some(isolation);
        self
    }

    /// Whether the server refuses statements that write.
    #[must_use]
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = Some(read_only);
        self
    }

    /// Whether a serializable read-only transaction waits at its beginning until it cannot fail with 40001 any more.
    #[must_use]
    pub fn deferrable(mut self, deferrable: bool) -> Self {
        self.deferrable = Some(deferrable);
        self
    }

    /// How often a run that came to nothing is followed by another. Default: 5; 0 for one run only.
    #[must_use]
    pub fn reruns(mut self, most: u32) -> Self {
        self.reruns = Some(most);
        self
    }

    /// Limit of the whole: getting connections, all runs, the waits between them. It is also the deadline of every
    /// statement, besides the connection's own. Default: none.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// Whether to find out what became of a commit whose answer was lost. Costs a round trip before each COMMIT, another one
    /// before the first such transaction of each connection, and a transaction id even for what writes nothing. Default: no.
    ///
    /// If the answer is lost, another connection asks the server: a transaction that was committed is reported as such, one
    /// that was aborted is run again, one that is still in progress is waited for, within `timeout` (without one, within
    /// the option `connection_timeout`). If the server cannot tell, or crashed, or a standby took its place meanwhile (system
    /// identifier, timeline and the age of the statistics are compared), so that what it says could be about another
    /// transaction, or if this role may not read those, the outcome stays
    /// [`CommitUnknown`](crate::ErrorKind::CommitUnknown), with the transaction's id.
    #[must_use]
    pub fn resolve_commit(mut self, resolve: bool) -> Self {
        self.resolve_commit = resolve;
        self
    }

    /// The statement that begins it.
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

    /// When its time ends, if it begins now.
    pub(crate) fn end(&self) -> Option<Instant> {
        self.timeout.and_then(|limit| Instant::now().checked_add(limit))
    }
}

/// What became of a COMMIT.
pub(crate) enum Commit {
    Done,
    /// It took effect as a ROLLBACK.
    RolledBack,
    /// The server refused, and rolled back.
    Refused(Error),
    /// The connection was lost before it was sent whole: the server cannot have run it.
    NotSent(Error),
    /// It was sent, and its answer was lost.
    InDoubt(Error),
}

impl Commit {
    /// `answer` is the command tag, where the lane that asked knows it.
    pub(crate) fn of(answer: Result<Option<String>>, link: &Link) -> Self {
        let error = match answer {
            Ok(Some(tag)) if tag == "ROLLBACK" => return Self::RolledBack,
            Ok(_) => return Self::Done,
            Err(error) => error.in_phase(Phase::Commit),
        };
        match error.server() {
            // An error of a session that goes on is an answer. Its last words may be said after the commit.
            Some(said) if said.severity == "ERROR" => Self::Refused(error),
            // Something else stood in its way on this side.
            None if error.kind() == ErrorKind::Misuse => Self::NotSent(error),
            _ if link.is_busy() => Self::InDoubt(with_closing_sqlstate(error, link)),
            // The answer was there, and the driver has lost it over what came behind: the last words of the session.
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

/// The driver does not always pass on what a server says before it hangs up.
fn with_closing_sqlstate(error: Error, link: &Link) -> Error {
    match link.failure() {
        Some(code) if error.server().is_none() => {
            error.with_note(format!("its last word was SQLSTATE {code}"))
        }
        _ => error,
    }
}

/// A name as SQL takes it literally.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl Lane<'_> {
    /// Begins a transaction. Of the options, `reruns` and `resolve_commit` have no meaning here; `timeout` is the deadline of
    /// all that is done up to its end. What is not ended when the connection goes back is rolled back.
    ///
    /// # Errors
    /// [`Misuse`](crate::ErrorKind::Misuse) when one is open.
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
    /// [`Database`](crate::ErrorKind::Database) without a SQLSTATE says that the transaction had failed before.
    /// [`Misuse`](crate::ErrorKind::Misuse) when none is open, or a result is not read to its end.
    pub fn commit(&mut self) -> Result<()> {
        // Lost before, perhaps with a reply outstanding, which is not that to a COMMIT.
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
    /// The connection's. The transaction has come to nothing even then.
    pub fn rollback(&mut self) -> Result<()> {
        if !self.is_in_transaction() {
            return Ok(());
        }
        let done = self.script("ROLLBACK").map(drop);
        self.link().set_deadline(None);
        done
    }

    /// Sets a savepoint in the open transaction. Any name will do.
    ///
    /// # Errors
    /// The server's error, for instance that no transaction is open.
    pub fn savepoint(&mut self, name: &str) -> Result<()> {
        self.script(&format!("SAVEPOINT {}", quoted(name))).map(drop)
    }

    /// Undoes what was done since a savepoint, which stays; a failed transaction can go on from there.
    ///
    /// # Errors
    /// The server's error, for instance that there is no such savepoint.
    pub fn rollback_to(&mut self, savepoint: &str) -> Result<()> {
        self.script(&format!("ROLLBACK TO SAVEPOINT {}", quoted(savepoint))).map(drop)
    }

    /// Forgets a savepoint; what was done since then stays part of the transaction.
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
