//! Runs a transaction from its checkout to its end, and decides whether it is run again.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::commit_outcome::{Mark, Outcome, learn_origin};
use crate::error::{Error, ErrorKind, LinkFault, Phase, human, is_transaction_conflict, sqlstate};
use crate::link::{IdlePoll, Link, TransactionStatus};
use crate::pool::core::Core;
use crate::pool::lifecycle::acquire::Call;
use crate::pool::lifecycle::retry_budget::BUDGET_IS_SPENT;
use crate::pool::pooled_connection::PooledConnection;
use crate::resilience::transaction_retry::{Ending, RERUNS, Reruns};
use crate::session::{Commit, TransactionOptions};

/// The work inside a transaction.
pub(in crate::pool) trait Body {
    type Value;
    type Error: From<Error>;

    /// Begins a transaction and does the work, the connection's deadline being set. `before` counts the runs there have
    /// been. Gives the connection back with the result; fails alone if the connection is lost.
    fn run(
        &mut self,
        conn: PooledConnection,
        before: u32,
    ) -> Result<Came<Self::Value, Self::Error>, Self::Error>;
}

/// The connection and the result of a body.
pub(crate) type Came<T, E> = (PooledConnection, Result<T, E>);

pub(in crate::pool) struct Transact<'a> {
    core: &'a Arc<Core>,
    options: &'a TransactionOptions,
    /// The call for each run's connection.
    call: Call,
    end: Option<Instant>,
}

impl<'a> Transact<'a> {
    pub(in crate::pool) fn new(core: &'a Arc<Core>, options: &'a TransactionOptions, call: Call) -> Self {
        Self { core, options, call, end: options.end() }
    }

    pub(in crate::pool) fn run<B: Body>(&self, mut body: B) -> Result<B::Value, B::Error> {
        let reruns = Reruns::new(self.options.reruns.unwrap_or(RERUNS), self.end);
        reruns.run(|before| self.once(&mut body, before), |before, wait| self.pause(before, wait))
    }

    fn pause(&self, before: u32, wait: Duration) {
        self.core.log.debug(
            &[("runs", before.into()), ("wait_ms", (wait.as_millis() as u64).into())],
            format_args!("a transaction came to nothing (run {before}) and is run again in {}", human(wait)),
        );
        thread::sleep(wait);
    }

    fn once<B: Body>(&self, body: &mut B, before: u32) -> Ending<B::Value, B::Error> {
        let mut conn = match self.core.get(self.call(before)) {
            Ok(conn) => conn,
            Err(error) => return Ending::failed(error),
        };
        conn.link().set_deadline(self.end);
        if self.options.resolve_commit {
            learn_origin(&mut conn);
        }
        conn.link().forget_failure();
        match body.run(conn, before) {
            Ok((conn, Ok(value))) => {
                let target = conn.target().to_owned();
                let named = |e: Error| if e.target().is_none() { e.at_target(target) } else { e };
                self.commit(conn).map(|()| value, |error| named(error).into())
            }
            Ok((conn, Err(error))) => self.failed(conn, error),
            Err(error) => Ending::Over(Err(error)),
        }
    }

    fn failed<T, E>(&self, conn: PooledConnection, error: E) -> Ending<T, E> {
        if self.may_pass(conn) { Ending::Again(error) } else { Ending::Over(Err(error)) }
    }

    fn call(&self, before: u32) -> Call {
        let left = self.end.map(|end| end.saturating_duration_since(Instant::now()));
        let timeout = self.call.timeout.into_iter().chain(left).min();
        // Each further run asks anew, with the whole of the time that a call has.
        let since = self.call.since.filter(|_| before == 0);
        Call { timeout, since, ..self.call }
    }

    /// Ends a failed transaction. Returns whether it failed for a passing reason, and was certainly undone.
    fn may_pass(&self, mut conn: PooledConnection) -> bool {
        let link = conn.link().clone();
        settle(&mut conn, link.failure().is_some());
        if let Some(fault) = link.fault() {
            return is_loss(fault, &link) && self.core.may_retry();
        }
        if link.transaction_status() == TransactionStatus::Idle {
            // The body has ended it, and may have committed earlier work.
            return false;
        }
        self.roll_back(conn);
        is_conflict(&link)
    }

    /// Rolls the transaction back if that is possible at once. Otherwise the pool does, which cleans every returned connection.
    fn roll_back(&self, mut conn: PooledConnection) {
        let now = Instant::now();
        let limit = now + self.core.settings.settle_timeout;
        let end = self.end.map_or(limit, |end| end.min(limit));
        if end > now && !conn.link().is_busy() {
            conn.link().set_deadline(Some(end));
            // If it fails, the connection is not checked out again.
            let _ = conn.ask("ROLLBACK");
        }
    }

    /// Ends a run whose connection was lost before COMMIT was sent. Runs after losses are retries, and count against the pool's
    /// budget; runs after conflicts do not, since conflicts are part of the work.
    fn lost(&self, fault: LinkFault, link: &Link) -> Ending<(), Error> {
        match lost(fault, link) {
            Ending::Again(error) if !self.core.may_retry() => {
                Ending::failed(error.with_note(BUDGET_IS_SPENT.to_owned()))
            }
            ending => ending,
        }
    }

    fn commit(&self, mut conn: PooledConnection) -> Ending<(), Error> {
        let link = conn.link().clone();
        settle(&mut conn, true);
        if link.fault().is_none() && link.poll_idle() == IdlePoll::Closed {
            // Reads the reason.
            let _ = conn.ask("");
        }
        if let Some(fault) = link.fault() {
            return self.lost(fault, &link);
        }
        match link.transaction_status() {
            TransactionStatus::InTransaction => {}
            TransactionStatus::Failed => {
                self.roll_back(conn);
                return rolled_back(&link);
            }
            TransactionStatus::Idle | TransactionStatus::Unknown => {
                return Ending::failed(Error::misuse(
                    "the body of the transaction has ended it by itself: leave COMMIT and ROLLBACK to the pool",
                ));
            }
        }
        if self.end.is_some_and(|end| end <= Instant::now()) {
            self.roll_back(conn);
            let message = "the time for the transaction was over before COMMIT was sent: it was rolled back";
            return Ending::failed(Error::new(ErrorKind::QueryTimeout, message).in_phase(Phase::Commit));
        }
        let mark = match self.options.resolve_commit.then(|| Mark::of(&mut conn)).transpose() {
            Ok(mark) => mark,
            Err(error) => return self.failed(conn, error),
        };
        let answer = conn.ask("COMMIT").map(|answer| answer.tag);
        match Commit::of(answer, &link) {
            Commit::Done => Ending::Over(Ok(())),
            Commit::RolledBack => rolled_back(&link),
            Commit::Refused(error) if is_conflict(&link) => Ending::Again(error),
            Commit::Refused(error) => Ending::failed(error),
            Commit::NotSent(error) => match link.fault() {
                Some(fault) => self.lost(fault, &link),
                None => Ending::failed(error),
            },
            Commit::InDoubt(error) => {
                // The server is asked to cancel the statement, should it still run.
                drop(conn);
                self.resolve(mark, error)
            }
        }
    }

    fn resolve(&self, mark: Option<Mark>, error: Error) -> Ending<(), Error> {
        let Some(mark) = mark else { return Ending::failed(Error::commit_unknown(error)) };
        let limit = Instant::now() + self.core.settings.connection_timeout;
        let fate = mark.resolve(self.core, self.end.unwrap_or(limit));
        self.core.log.info(
            &[],
            format_args!(
                "the answer to a COMMIT was lost ({}); what the server knows of it: {fate:?}",
                error.summary()
            ),
        );
        match fate {
            Outcome::Committed => Ending::Over(Ok(())),
            Outcome::Aborted => {
                let note = "the server says that the transaction was aborted";
                Ending::Again(error.with_note(note.to_owned()).set_retryable(true))
            }
            Outcome::Unknown => {
                let unknown = Error::commit_unknown(error);
                Ending::failed(match mark.note() {
                    Some(note) => unknown.with_note(note),
                    None => unknown,
                })
            }
        }
    }
}

/// Reads the rest of an unfinished result, so that the transaction's status is known.
fn settle(conn: &mut PooledConnection, worth_it: bool) {
    if worth_it && conn.link().fault().is_none() && conn.link().is_busy() {
        let _ = conn.ask("");
    }
}

/// Returns whether the transaction failed for a reason that is gone when it is run again: a conflict with another, or a stale
/// prepared statement, which is prepared anew.
fn is_conflict(link: &Link) -> bool {
    link.has_failed_stale() || link.failure().is_some_and(|code| is_transaction_conflict(&code))
}

/// Returns whether the connection was lost in a way that the next one may not meet. A session that the server ended because its
/// transaction was left idle or took too long (25P03, 25P04) is not: the body would be as slow again.
fn is_loss(fault: LinkFault, link: &Link) -> bool {
    fault == LinkFault::ClosedByServer
        && !link.failure().is_some_and(|code| sqlstate::is_of_transaction_state(&code))
}

/// Returns the ending of a run whose connection was lost before COMMIT was sent.
fn lost(fault: LinkFault, link: &Link) -> Ending<(), Error> {
    let kind = match fault {
        LinkFault::DeadlinePassed => ErrorKind::QueryTimeout,
        LinkFault::Forked => ErrorKind::Misuse,
        _ => ErrorKind::ConnectionLost,
    };
    let code = link.failure().map(|code| format!(" (SQLSTATE {code})")).unwrap_or_default();
    let message = format!("{fault}{code}, before COMMIT was sent: nothing was committed");
    let error = Error::new(kind, message).in_phase(Phase::Commit).with_source(fault);
    if is_loss(fault, link) { Ending::Again(error.set_retryable(true)) } else { Ending::failed(error) }
}

/// Returns the ending of a run in which a statement had failed, but the body went on to its end.
fn rolled_back(link: &Link) -> Ending<(), Error> {
    let error = Error::rolled_back(link.failure().as_deref());
    if is_conflict(link) { Ending::Again(error.set_retryable(true)) } else { Ending::failed(error) }
}
