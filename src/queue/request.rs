//! One request, from its submission to its completion.

use std::cell::Cell;
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::completion_queue::{Completion, Notified, PendingCallback, Queue, Urgency};
use super::connection_queue::{ConnectionQueue, HeldConnection};
use super::executor::Executor;
use super::statement_profile::StatementProfile;
use super::task::{Outcome, Task, Trouble, Work};
use crate::error::{Error, ErrorKind};
use crate::link::cancel::CancelHandle;
use crate::link::deferred::{do_now, put_off};
use crate::pool::{Asked, Lender};

/// How long a statement may run on after each cancel request before the next one is sent.
const WAITS_BETWEEN_CANCELS: [Duration; 4] = [
    Duration::from_millis(20),
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_millis(2500),
];

/// What was submitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Query,
    Execute,
    Acquire,
    Transaction,
    Pipeline,
    ConnectionQuery,
    ConnectionScript,
    ConnectionExecute,
    ConnectionPipeline,
    ConnectionBegin,
    ConnectionCommit,
    ConnectionRollback,
}

/// Why a request was not taken on.
#[derive(Debug)]
pub(crate) enum Rejected {
    /// As many as the queue takes are under way or not drained.
    Full,
    /// The pool was closed.
    Closed(Error),
    /// The connection is in use by somebody who does not use the queue.
    Busy,
    /// No thread could be started, and there is none.
    NoThread(std::io::Error),
}

/// How far a request has come.
enum State {
    /// It waits for its turn, or for a connection.
    Waiting,
    /// It was sent to the server, behind others.
    Sent,
    /// It runs; with what it can be cancelled.
    Running(Arc<CancelHandle>),
    /// It runs and shall be cancelled: a worker has been told, and has not begun to.
    ToCancel(Arc<CancelHandle>),
    /// It runs, and a cancel request is on its way to the server.
    Cancelling,
    /// It runs, or has been cancelled; whether the cancel request was delivered.
    Cancelled { delivered: bool },
    /// Whatever ran is over; it will be answered now.
    Settled,
    /// It was answered, or given up.
    Over,
}

/// What the program wants, besides the task itself.
pub(crate) struct Submission {
    /// The program's own mark.
    pub(crate) tag: u64,
    pub(crate) kind: Kind,
    pub(crate) task: Task,
    /// Limit for getting a connection.
    pub(crate) timeout: Option<Duration>,
    /// Replaces `retry_max`.
    pub(crate) retries: Option<u32>,
    /// Limit of the statement; `None`: the connection's own.
    pub(crate) deadline: Option<Duration>,
    /// Whether that counts from the submission, and so bounds getting a connection as well.
    pub(crate) deadline_covers_wait: bool,
}

impl Submission {
    /// Limit for getting a connection, all told.
    fn limit_of_wait(&self) -> Option<Duration> {
        let whole = self.deadline.filter(|_| self.deadline_covers_wait);
        self.timeout.into_iter().chain(whole).min()
    }
}

pub(crate) struct Request {
    number: u64,
    submission: Submission,
    since: Instant,
    /// Until when it may wait for a connection without one being tried for.
    expires: Instant,
    /// Where it waits, if that is not the pool's backlog.
    connection_queue: Option<Arc<ConnectionQueue>>,
    /// Of a statement that may travel with others.
    profile: Option<Arc<StatementProfile>>,
    executor: Arc<Executor>,
    queue: Arc<Queue>,
    state: Mutex<State>,
    /// Signalled when the state changes while a cancel request is on its way, or was.
    changed: Condvar,
}

/// Whether the server was asked to cancel a request that ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settled {
    Untouched,
    Cancelled,
    /// The cancel request may still be on its way, and hit whatever runs on the connection then.
    MaybeCancelled,
}

/// The duty to answer a request. Dropped without an answer, it says that a worker broke down.
pub(crate) struct Ticket {
    request: Arc<Request>,
    /// The connection in hand that it is for.
    held: Option<Arc<dyn HeldConnection>>,
    begun: Cell<Option<Instant>>,
}

/// A request that ran, with its answer.
pub(super) struct Done {
    ticket: Ticket,
    outcome: Outcome,
}

impl Request {
    pub(super) fn task(&self) -> &Task {
        &self.submission.task
    }

    /// What is to be done on a connection, if that is all.
    pub(super) fn work(&self) -> Option<&Work> {
        match self.task() {
            Task::Run(work) => Some(work),
            Task::Acquire | Task::Transaction { .. } => None,
        }
    }

    #[cfg(test)]
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn profile(&self) -> Option<&StatementProfile> {
        self.profile.as_deref()
    }

    /// What the statement may take from now on.
    pub(super) fn deadline(&self) -> Option<Duration> {
        let limit = self.submission.deadline?;
        if !self.submission.deadline_covers_wait {
            return Some(limit);
        }
        // Nothing left is too little for any statement, and must not become no limit.
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

    /// Gives `outcome` to the queue.
    fn complete(&self, outcome: Outcome, begun: Option<Instant>, urgency: Urgency) -> Notified {
        let now = Instant::now();
        let begun = begun.unwrap_or(now);
        let completion = Completion {
            tag: self.submission.tag,
            request: self.number,
            kind: self.submission.kind,
            outcome,
            queued: begun.saturating_duration_since(self.since),
            running: now.saturating_duration_since(begun),
        };
        self.queue.complete(completion, urgency)
    }

    /// The same, where nothing may be called back on the present thread.
    fn complete_elsewhere(&self, outcome: Outcome) {
        if let Notified::Now(callback) = self.complete(outcome, None, Urgency::Now) {
            self.executor.announce(callback);
        }
    }

    /// Takes it out of the line it waits in, if it still does.
    fn withdraw(self: &Arc<Self>) {
        let ticket = match &self.connection_queue {
            Some(queue) => queue.withdraw(self),
            None => self.executor.withdraw(self),
        };
        drop(ticket);
    }

    /// Ends it if it waits: answered as cancelled. Asks for a cancel request if it runs. Blocks for neither, and calls
    /// nobody back on this thread.
    pub(super) fn cancel(self: &Arc<Self>) {
        let mut state = self.state.lock();
        match mem::replace(&mut *state, State::Over) {
            State::Waiting => {
                drop(state);
                self.withdraw();
                self.complete_elsewhere(Err(canceled().into()));
            }
            // To have the server cancel it would hit the one it runs now.
            State::Sent => {
                drop(state);
                self.complete_elsewhere(Err(canceled_too_late().into()));
            }
            State::Running(handle) => {
                *state = State::ToCancel(handle);
                drop(state);
                self.executor.deliver_cancel(self.clone());
            }
            other => *state = other,
        }
    }

    /// On a worker: has the server cancel what runs, if that is still wanted. A cancel request that comes before the server
    /// has begun with the statement does nothing, so it is repeated for as long as the statement runs on.
    pub(super) fn deliver_cancel(&self) {
        let mut state = self.state.lock();
        let handle = match mem::replace(&mut *state, State::Cancelling) {
            State::ToCancel(handle) => handle,
            other => return *state = other,
        };
        let mut delivered = true;
        for pause in WAITS_BETWEEN_CANCELS {
            drop(state);
            if let Err(e) = handle.cancel() {
                log::debug!(target: "holdfast", "could not cancel a request: {e}");
                delivered = false;
            }
            state = self.state.lock();
            *state = State::Cancelled { delivered };
            self.changed.notify_all();
            let end = Instant::now() + pause;
            while matches!(*state, State::Cancelled { .. }) {
                if self.changed.wait_until(&mut state, end).timed_out() {
                    break;
                }
            }
            if !matches!(*state, State::Cancelled { .. }) {
                return;
            }
            *state = State::Cancelling;
        }
        *state = State::Cancelled { delivered };
        self.changed.notify_all();
    }

    /// Nobody wants the answer any more: if it does not run yet, it never will.
    pub(super) fn abandon(self: &Arc<Self>) {
        let mut state = self.state.lock();
        if !matches!(*state, State::Waiting) {
            return;
        }
        *state = State::Over;
        drop(state);
        self.withdraw();
    }
}

fn canceled() -> Error {
    Error::new(ErrorKind::Canceled, "the request was cancelled before it ran").set_retryable(true)
}

fn canceled_too_late() -> Error {
    let text = "the request was cancelled when it had been sent behind others: the server may run it";
    Error::new(ErrorKind::Canceled, text).set_retryable(false)
}

impl Ticket {
    /// Takes on a request for any connection of the pool. Never blocks.
    pub(crate) fn submit(
        queue: &Arc<Queue>,
        lender: &Lender,
        submission: Submission,
    ) -> Result<u64, Rejected> {
        let executor = Executor::of(lender);
        let patience = lender.patience(submission.limit_of_wait());
        let ticket = Self::new(queue, executor.clone(), submission, patience, None)?;
        let number = ticket.request.number;
        executor.submit(ticket, lender).map_err(|(ticket, why)| ticket.revoke(why))?;
        Ok(number)
    }

    /// Takes on a request for a connection in hand. Never blocks.
    pub(crate) fn submit_on(
        queue: &Arc<Queue>,
        held: &Arc<dyn HeldConnection>,
        submission: Submission,
    ) -> Result<u64, Rejected> {
        let executor = Executor::of(&held.lender());
        let ticket = Self::new(queue, executor.clone(), submission, Duration::ZERO, Some(held.clone()))?;
        let number = ticket.request.number;
        executor.submit_on(held, ticket).map_err(|(ticket, why)| ticket.revoke(why))?;
        Ok(number)
    }

    pub(super) fn new(
        queue: &Arc<Queue>,
        executor: Arc<Executor>,
        submission: Submission,
        patience: Duration,
        held: Option<Arc<dyn HeldConnection>>,
    ) -> Result<Self, Rejected> {
        let since = Instant::now();
        let profile = match &submission.task {
            // A deadline that passed would take the connection from those who share it.
            Task::Run(Work::Query { query, .. }) if held.is_none() && submission.deadline.is_none() => {
                executor.profiles().of(query.text())
            }
            _ => None,
        };
        let connection_queue = held.as_ref().map(|held| held.connection_queue().clone());
        let request = queue.accept(|number| {
            Arc::new(Request {
                number,
                submission,
                since,
                expires: since + patience,
                connection_queue,
                profile,
                executor,
                queue: queue.clone(),
                state: Mutex::new(State::Waiting),
                changed: Condvar::new(),
            })
        });
        Ok(Self { request: request.ok_or(Rejected::Full)?, held, begun: Cell::new(None) })
    }

    /// It could not be handed on: it never was.
    fn revoke(self, why: Rejected) -> Rejected {
        *self.request.state.lock() = State::Over;
        self.request.queue.unaccept(self.request.number);
        why
    }

    pub(super) fn is_for(&self, request: &Arc<Request>) -> bool {
        Arc::ptr_eq(&self.request, request)
    }

    pub(super) fn shared(&self) -> Arc<Request> {
        self.request.clone()
    }

    pub(super) fn request(&self) -> &Request {
        &self.request
    }

    /// It runs from now on, or once more: a transaction whose COMMIT was refused. `false` when it was cancelled before, and
    /// nobody waits for it.
    #[must_use]
    pub(super) fn begin(&self, cancel: Arc<CancelHandle>) -> bool {
        let mut state = self.request.state.lock();
        if !matches!(*state, State::Waiting | State::Sent | State::Settled) {
            return false;
        }
        *state = State::Running(cancel);
        drop(state);
        self.begun.set(Some(Instant::now()));
        true
    }

    /// It is sent to the server now, behind others. `false` when it was cancelled before, and nobody waits for it.
    #[must_use]
    pub(super) fn send(&self) -> bool {
        let mut state = self.request.state.lock();
        if matches!(*state, State::Waiting) {
            *state = State::Sent;
            #[cfg(test)]
            self.request.executor.coalesced_total.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            true
        } else {
            false
        }
    }

    /// It did not run, or what ran of it was undone.
    pub(super) fn back_to_waiting(&self) {
        let mut state = self.request.state.lock();
        if matches!(*state, State::Sent | State::Settled) {
            *state = State::Waiting;
        }
    }

    /// What ran is over. Waits until no cancel request is on its way to the connection any more, which would hit what runs
    /// there next.
    pub(super) fn settle(&self) -> Settled {
        let mut state = self.request.state.lock();
        if matches!(*state, State::Cancelling) {
            drop(state);
            do_now();
            state = self.request.state.lock();
        }
        while matches!(*state, State::Cancelling) {
            self.request.changed.wait(&mut state);
        }
        let settled = match mem::replace(&mut *state, State::Settled) {
            State::Cancelled { delivered: true } => Settled::Cancelled,
            State::Cancelled { delivered: false } => Settled::MaybeCancelled,
            _ => Settled::Untouched,
        };
        if settled != Settled::Untouched {
            self.request.changed.notify_all();
        }
        settled
    }

    pub(super) fn done(self, outcome: Outcome) -> Done {
        Done { ticket: self, outcome }
    }

    /// Takes the right to answer; `false` when somebody else had it.
    fn claim(&mut self) -> bool {
        let before = mem::replace(&mut *self.request.state.lock(), State::Over);
        // Whoever drains the answer finds the connection free.
        self.held = None;
        !matches!(before, State::Over)
    }
}

impl Done {
    /// Answers the request, unless it was cancelled before. On a thread of the library that holds no lock, and that will do
    /// what it puts off.
    pub(super) fn deliver(self, urgency: Urgency) {
        let Self { mut ticket, outcome } = self;
        if !ticket.claim() {
            return;
        }
        match ticket.request.complete(outcome, ticket.begun.get(), urgency) {
            Notified::Now(callback) => call(callback),
            Notified::Deferred(at) => {
                let queue = ticket.request.queue.clone();
                put_off(Box::new(move || call(queue.tell(at))));
            }
        }
    }
}

/// Calls the program back.
pub(super) fn call(callback: PendingCallback) {
    if let Some(callback) = callback {
        crate::sys::callback::run(|| callback());
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.claim() {
            let trouble = Trouble::Panic(Box::new("the worker of this request broke down"));
            self.request.complete_elsewhere(Err(trouble));
        }
    }
}
