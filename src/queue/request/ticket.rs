//! The ticket: the right and the duty to answer one request.

use std::cell::Cell;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::sys::sync::{Condvar, Mutex};

use super::Request;
use super::answer::Done;
use super::state::{Settled, State};
use super::submission::{Rejected, Submission};
use crate::error::ServerMessage;
use crate::link::cancel::CancelHandle;
use crate::link::deferred::run_deferred;
use crate::pool::CheckoutHandle;
use crate::queue::completion_queue::Queue;
use crate::queue::connection_queue::HeldConnection;
use crate::queue::executor::Executor;
use crate::queue::task::{Outcome, Task, Trouble, Work};
use crate::session::ResultBlock;

/// The duty to answer a request. Dropping it unanswered completes the request with an error: a worker panicked.
pub(crate) struct Ticket {
    pub(super) request: Arc<Request>,
    /// The held connection to run on; `None`: any connection of the pool.
    held: Option<Arc<dyn HeldConnection>>,
    pub(super) begun: Cell<Option<Instant>>,
    /// What the server remarked while the request ran, if it asks for that.
    pub(super) notices: Cell<Vec<ServerMessage>>,
}

impl Ticket {
    /// Accepts a request for any connection of the pool. Never blocks.
    pub(crate) fn submit(
        queue: &Arc<Queue>,
        handle: &CheckoutHandle,
        submission: Submission,
    ) -> Result<u64, Rejected> {
        let executor = Executor::of(handle);
        let patience = handle.patience(submission.limit_of_wait());
        let ticket = Self::new(queue, executor.clone(), submission, patience, None)?;
        let number = ticket.request.number;
        executor.submit(ticket, handle).map_err(|(ticket, why)| ticket.revoke(why))?;
        Ok(number)
    }

    /// Accepts a request to close the pool. Never blocks.
    pub(crate) fn submit_close(
        queue: &Arc<Queue>,
        handle: &CheckoutHandle,
        submission: Submission,
    ) -> Result<u64, Rejected> {
        let executor = Executor::of(handle);
        let ticket = Self::new(queue, executor.clone(), submission, Duration::ZERO, None)?;
        let number = ticket.request.number;
        executor.submit_close(ticket).map_err(|(ticket, why)| ticket.revoke(why))?;
        Ok(number)
    }

    /// Accepts a request for a held connection. Never blocks.
    pub(crate) fn submit_on(
        queue: &Arc<Queue>,
        held: &Arc<dyn HeldConnection>,
        submission: Submission,
    ) -> Result<u64, Rejected> {
        let executor = Executor::of(&held.checkout_handle());
        let ticket = Self::new(queue, executor.clone(), submission, Duration::ZERO, Some(held.clone()))?;
        let number = ticket.request.number;
        executor.submit_on(held, ticket).map_err(|(ticket, why)| ticket.revoke(why))?;
        Ok(number)
    }

    pub(in crate::queue) fn new(
        queue: &Arc<Queue>,
        executor: Arc<Executor>,
        submission: Submission,
        patience: Duration,
        held: Option<Arc<dyn HeldConnection>>,
    ) -> Result<Self, Rejected> {
        let since = Instant::now();
        let profile = match &submission.task {
            Task::Run(Work::Query { query, .. }) if held.is_none() && submission.may_be_coalesced() => {
                executor.profiles().of(query.text())
            }
            _ => None,
        };
        let connection_queue = held.as_ref().map(|held| held.connection_queue().clone());
        let parts = match &submission.task {
            Task::Run(work) => work.parts(),
            _ => 0,
        };
        let request = queue.accept(1 + parts, |number| {
            Arc::new(Request {
                number,
                submission,
                since,
                expires: since + patience,
                connection_queue,
                profile,
                executor,
                queue: queue.clone(),
                parts_left: AtomicUsize::new(parts),
                state: Mutex::new(State::Waiting),
                changed: Condvar::new(),
            })
        });
        Ok(Self {
            request: request.ok_or(Rejected::Full)?,
            held,
            begun: Cell::new(None),
            notices: Cell::default(),
        })
    }

    /// Undoes the acceptance of a request that could not be handed to the executor.
    fn revoke(self, why: Rejected) -> Rejected {
        *self.request.state.lock() = State::Over;
        let parts = self.request.parts_left.swap(0, Ordering::Relaxed);
        self.request.queue.unaccept(self.request.number, 1 + parts);
        why
    }

    pub(in crate::queue) fn is_for(&self, request: &Arc<Request>) -> bool {
        Arc::ptr_eq(&self.request, request)
    }

    pub(in crate::queue) fn shared(&self) -> Arc<Request> {
        self.request.clone()
    }

    pub(in crate::queue) fn request(&self) -> &Request {
        &self.request
    }

    /// Marks the request as running; a transaction may begin again after a failed COMMIT. Returns `false` when it was cancelled
    /// before, so that no answer is awaited.
    #[must_use]
    pub(in crate::queue) fn begin(&self, cancel: Arc<CancelHandle>) -> bool {
        self.begin_as(State::Running(cancel))
    }

    /// The same for what cannot be cancelled from then on.
    #[must_use]
    pub(in crate::queue) fn begin_to_its_end(&self) -> bool {
        self.begin_as(State::RunningToItsEnd)
    }

    fn begin_as(&self, running: State) -> bool {
        let mut state = self.request.state.lock();
        if !matches!(*state, State::Waiting | State::Sent | State::Settled) {
            return false;
        }
        *state = running;
        drop(state);
        self.begun.set(Some(Instant::now()));
        true
    }

    /// Marks the request as sent behind others. Returns `false` when it was cancelled before.
    #[must_use]
    pub(in crate::queue) fn send(&self) -> bool {
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

    /// Marks the request as waiting again: it did not run, or its effect was undone.
    pub(in crate::queue) fn back_to_waiting(&self) {
        let mut state = self.request.state.lock();
        if matches!(*state, State::Sent | State::Settled) {
            *state = State::Waiting;
        }
    }

    /// Marks the statement as ended. Waits for a cancel request that is on its way to the connection, since it would hit the
    /// next statement there.
    pub(in crate::queue) fn settle(&self) -> Settled {
        let mut state = self.request.state.lock();
        if matches!(*state, State::Cancelling) {
            drop(state);
            run_deferred();
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

    /// Keeps what the server remarked while the request ran, for its completion.
    pub(in crate::queue) fn keep_notices(&self, notices: Vec<ServerMessage>) {
        self.notices.set(notices);
    }

    /// Gives an answer before the last one.
    pub(in crate::queue) fn part(&self, outcome: crate::Result<ResultBlock>) {
        self.request.complete_part(outcome, self.begun.get());
    }

    pub(in crate::queue) fn done(self, outcome: Outcome) -> Done {
        Done { ticket: self, outcome }
    }

    /// Takes the right to answer; `false` when the request was answered before.
    pub(super) fn claim(&mut self) -> bool {
        let before = mem::replace(&mut *self.request.state.lock(), State::Over);
        // The connection is free again before the answer can be drained.
        self.held = None;
        !matches!(before, State::Over)
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
