//! The requests for one held connection, which run one after the other in the order of submission.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::sys::sync::Mutex;

use super::request::{Request, Ticket};
use crate::error::Error;
use crate::link::cancel::CancelHandle;
use crate::pool::{CheckoutHandle, PooledConnection};

/// A connection that the program has checked out, and submits requests to.
pub(crate) trait HeldConnection: Send + Sync {
    /// Returns the requests submitted to it.
    fn connection_queue(&self) -> &Arc<ConnectionQueue>;

    /// Runs `work` with exclusive use of the connection. Called by one worker at a time, while the queue is active.
    ///
    /// # Errors
    /// When the connection was given back or closed.
    fn with_connection(&self, work: &mut dyn FnMut(&mut PooledConnection)) -> Result<(), Error>;

    /// Runs `claim` if no thread uses the connection at present; else returns `false`.
    fn if_unused(&self, claim: &mut dyn FnMut()) -> bool;

    fn cancel_handle(&self) -> Arc<CancelHandle>;

    fn checkout_handle(&self) -> CheckoutHandle;
}

/// The requests of one held connection.
#[derive(Default)]
pub(crate) struct ConnectionQueue {
    line: Mutex<Line>,
    /// Requests wait or run and own the connection. Set under the lock, while no other thread uses the connection.
    active: AtomicBool,
}

#[derive(Default)]
struct Line {
    waiting: VecDeque<Ticket>,
    /// A worker was woken and has not begun; nothing runs.
    worker_is_due: bool,
}

impl ConnectionQueue {
    /// Returns whether requests own the connection.
    pub(crate) fn is_active(&self) -> bool {
        self.active.load(Ordering::Acquire)
    }

    /// Appends a request. `Ok(true)`: a worker has to be woken, since none serves the queue.
    pub(super) fn push(&self, held: &dyn HeldConnection, ticket: Ticket) -> Result<bool, Ticket> {
        let mut line = self.line.lock();
        let begins = !self.is_active();
        if begins && !held.if_unused(&mut || self.active.store(true, Ordering::Release)) {
            return Err(ticket);
        }
        line.waiting.push_back(ticket);
        Ok(begins && !std::mem::replace(&mut line.worker_is_due, true))
    }

    /// Marks the woken worker as arrived.
    pub(super) fn begin(&self) {
        self.line.lock().worker_is_due = false;
    }

    /// Takes back a request whose worker could not be started.
    pub(super) fn give_up(&self, request: &Arc<Request>) -> Option<Ticket> {
        let ticket = self.withdraw(request);
        self.begin();
        ticket
    }

    /// Takes the next request, for the worker. When there is none, the connection is free from then on.
    pub(super) fn next(&self) -> Option<Ticket> {
        let mut line = self.line.lock();
        let ticket = line.waiting.pop_front();
        if ticket.is_none() {
            self.active.store(false, Ordering::Release);
        }
        ticket
    }

    /// Removes a request.
    pub(super) fn withdraw(&self, request: &Arc<Request>) -> Option<Ticket> {
        let mut line = self.line.lock();
        let place = line.waiting.iter().position(|ticket| ticket.is_for(request))?;
        let ticket = line.waiting.remove(place);
        if line.worker_is_due && line.waiting.is_empty() {
            self.active.store(false, Ordering::Release);
        }
        ticket
    }

    /// Cancels all waiting requests.
    pub(crate) fn cancel_waiting(&self) {
        let waiting: Vec<_> = self.line.lock().waiting.iter().map(Ticket::shared).collect();
        for request in waiting {
            request.cancel();
        }
    }
}
