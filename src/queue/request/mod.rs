//! One request, from its submission to its completion.

mod answer;
mod cancel;
mod state;
mod submission;
mod ticket;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::sys::sync::{Condvar, Mutex};

pub(super) use self::answer::{Done, call};
pub(super) use self::state::Settled;
use self::state::State;
pub(crate) use self::submission::{Kind, Rejected, Submission};
pub(crate) use self::ticket::Ticket;
use super::completion_queue::{Completion, Notified, Queue, Urgency};
use super::connection_queue::ConnectionQueue;
use super::executor::Executor;
use super::statement_profile::StatementProfile;
use super::task::{Answer, Outcome, Task, Trouble, Work};
use crate::error::{Result, ServerMessage};
use crate::pool::Asked;
use crate::session::ResultBlock;

/// A submission that the queue has accepted.
pub(crate) struct Request {
    number: u64,
    submission: Submission,
    since: Instant,
    /// The end of its wait in the backlog; from then on it is answered as timed out.
    expires: Instant,
    /// The list it waits in; `None`: the pool's backlog.
    connection_queue: Option<Arc<ConnectionQueue>>,
    /// `None`: the statement may not be coalesced with others.
    profile: Option<Arc<StatementProfile>>,
    executor: Arc<Executor>,
    queue: Arc<Queue>,
    /// Answers before the last one that were not given yet; the queue has room for them.
    parts_left: AtomicUsize,
    state: Mutex<State>,
    /// Signalled when the state changes during and after the delivery of a cancel request.
    changed: Condvar,
}

/// What a request has to show for having run, besides its answer.
#[derive(Default)]
struct Ran {
    /// When it began; `None` if it never did.
    begun: Option<Instant>,
    notices: Vec<ServerMessage>,
}

impl Request {
    pub(super) fn task(&self) -> &Task {
        &self.submission.task
    }

    /// Returns the work to do on a connection, if the task is nothing else.
    pub(super) fn work(&self) -> Option<&Work> {
        match self.task() {
            Task::Run(work) => Some(work),
            Task::Acquire | Task::Transaction { .. } | Task::Close(_) => None,
        }
    }

    #[cfg(test)]
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn profile(&self) -> Option<&StatementProfile> {
        self.profile.as_deref()
    }

    /// Returns the time that the statement may take from now on.
    pub(super) fn deadline(&self) -> Option<Duration> {
        let limit = self.submission.deadline?;
        if !self.submission.deadline_covers_wait {
            return Some(limit);
        }
        // At least 1 ms: zero would mean no limit.
        Some(limit.saturating_sub(self.since.elapsed()).max(Duration::from_millis(1)))
    }

    pub(super) fn asked(&self) -> Asked {
        Asked {
            since: self.since,
            timeout: self.submission.limit_of_wait(),
            retries: self.submission.retries,
        }
    }

    pub(super) fn expires(&self) -> Instant {
        self.expires
    }

    pub(super) fn wants_notices(&self) -> bool {
        self.submission.notices
    }

    /// Hands `outcome` to the queue as the request's completion.
    fn complete(&self, outcome: Outcome, ran: Ran, urgency: Urgency) -> Notified {
        if let Some(work) = self.work() {
            work.let_go();
        }
        let unused = self.parts_left.swap(0, Ordering::Relaxed);
        let completion = Completion { notices: ran.notices, ..self.completion(outcome, ran.begun, None) };
        self.queue.complete(completion, urgency, unused)
    }

    fn completion(&self, outcome: Outcome, begun: Option<Instant>, part: Option<usize>) -> Completion {
        let now = Instant::now();
        let begun = begun.unwrap_or(now);
        Completion {
            tag: self.submission.tag,
            request: self.number,
            kind: self.submission.kind,
            outcome,
            notices: Vec::new(),
            queued: begun.saturating_duration_since(self.since),
            running: now.saturating_duration_since(begun),
            part,
        }
    }

    /// Gives an answer before the last one, on a worker that may hold the lock of a connection: another runs the callback.
    pub(super) fn complete_part(&self, outcome: Result<ResultBlock>, begun: Option<Instant>) {
        let parts = self.work().map_or(0, Work::parts);
        let left = self.parts_left.load(Ordering::Relaxed);
        if left > 0 {
            self.parts_left.store(left - 1, Ordering::Relaxed);
            let outcome = outcome.map(Answer::Result).map_err(Trouble::Error);
            let callback = self.queue.complete_part(self.completion(outcome, begun, Some(parts - left)));
            self.executor.announce(callback);
        }
    }

    /// Completes the request where this thread must not run the callback: a worker runs it.
    fn complete_elsewhere(&self, outcome: Outcome) {
        if let Notified::Now(callback) = self.complete(outcome, Ran::default(), Urgency::Now) {
            self.executor.announce(callback);
        }
    }
}
