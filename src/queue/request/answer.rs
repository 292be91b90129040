//! The answer of a request that ran, and its delivery.

use super::Ran;
use super::ticket::Ticket;
use crate::link::deferred::defer;
use crate::queue::completion_queue::{Notified, PendingCallback, Urgency};
use crate::queue::task::Outcome;

/// A request that ran, with its answer.
pub(in crate::queue) struct Done {
    pub(super) ticket: Ticket,
    pub(super) outcome: Outcome,
}

impl Done {
    /// Answers the request, unless it was cancelled before. To be called on a thread of the library that holds no lock and runs
    /// its deferred actions.
    pub(in crate::queue) fn deliver(self, urgency: Urgency) {
        let Self { mut ticket, outcome } = self;
        if !ticket.claim() {
            return;
        }
        let ran = Ran { begun: ticket.begun.get(), notices: ticket.notices.take() };
        match ticket.request.complete(outcome, ran, urgency) {
            Notified::Now(callback) => call(callback),
            Notified::Deferred(at) => {
                let queue = ticket.request.queue.clone();
                defer(Box::new(move || call(queue.notify_deferred(at))));
            }
        }
    }
}

/// Runs the program's callback.
pub(in crate::queue) fn call(callback: PendingCallback) {
    if let Some(callback) = callback {
        callback.call();
    }
}
