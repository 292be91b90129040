//! Requests for a connection in hand: they run one after the other, in the order in which they were submitted.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::request::{Request, Ticket};
use crate::error::Error;
use crate::link::cancel::CancelHandle;
use crate::pool::{Lender, PooledConnection};

/// A connection in somebody's hand.
pub(crate) trait HeldConnection: Send + Sync {
    /// What is submitted to it.
    fn connection_queue(&self) -> &Arc<ConnectionQueue>;

    /// Works on the connection, alone. Called by one worker at a time, and only while the sequence is active.
    ///
    /// # Errors
    /// When there is no connection any more.
    fn with_connection(&self, work: &mut dyn FnMut(&mut PooledConnection)) -> Result<(), Error>;

    /// Runs `claim` if nobody uses the connection at present. `false` if somebody does.
    fn if_unused(&self, claim: &mut dyn FnMut()) -> bool;

    fn cancel_handle(&self) -> Arc<CancelHandle>;

    fn lender(&self) -> Lender;
}

/// The requests of one connection.
#[derive(Default)]
pub(crate) struct ConnectionQueue {
    line: Mutex<Line>,
    /// Requests wait or run: the connection is theirs. Set under the lock, and while nobody else uses the connection.
    active: AtomicBool,
}

#[derive(Default)]
struct Line {
    waiting: VecDeque<Ticket>,
    /// A worker was called and has not come yet; nothing runs.
    called: bool,
}

impl ConnectionQueue {
    /// Whether the connection is taken by requests.
    pub(crate) fn is_active(&self) -> bool {
        self.active.load(Ordering::Acquire)
    }

    /// Puts a request at the end. `Ok(true)` when a worker has to be called, since there was none before.
    pub(super) fn push(&self, held: &dyn HeldConnection, ticket: Ticket) -> Result<bool, Ticket> {
        let mut line = self.line.lock();
        let begins = !self.is_active();
        if begins && !held.if_unused(&mut || self.active.store(true, Ordering::Release)) {
            return Err(ticket);
        }
        line.waiting.push_back(ticket);
        Ok(begins && !std::mem::replace(&mut line.called, true))
    }

    /// The worker that was called has come.
    pub(super) fn begin(&self) {
        self.line.lock().called = false;
    }

    /// The worker that was called will not come: takes back the request that it was called for.
    pub(super) fn give_up(&self, request: &Arc<Request>) -> Option<Ticket> {
        let ticket = self.withdraw(request);
        self.begin();
        ticket
    }

    /// For the worker: the next request. When there is none, the connection is free from here on.
    pub(super) fn next(&self) -> Option<Ticket> {
        let mut line = self.line.lock();
        let ticket = line.waiting.pop_front();
        if ticket.is_none() {
            self.active.store(false, Ordering::Release);
        }
        ticket
    }

    /// Takes a request out.
    pub(super) fn withdraw(&self, request: &Arc<Request>) -> Option<Ticket> {
        let mut line = self.line.lock();
        let place = line.waiting.iter().position(|ticket| ticket.is_for(request))?;
        let ticket = line.waiting.remove(place);
        if line.called && line.waiting.is_empty() {
            self.active.store(false, Ordering::Release);
        }
        ticket
    }

    /// All that wait are cancelled.
    pub(crate) fn cancel_waiting(&self) {
        let waiting: Vec<_> = self.line.lock().waiting.iter().map(Ticket::shared).collect();
        for request in waiting {
            request.cancel();
        }
    }
}
