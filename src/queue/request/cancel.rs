//! Cancelling a request: at once while it waits, through the server while it runs.

use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Request;
use super::state::State;
use crate::error::{Error, ErrorKind};

/// Waits after each cancel request before it is repeated, while the statement runs on.
const WAITS_BETWEEN_CANCELS: [Duration; 4] = [
    Duration::from_millis(20),
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_millis(2500),
];

impl Request {
    /// Cancels the request: one that waits is answered as cancelled, for one that runs a worker sends a cancel request. Never
    /// blocks, and runs no callback on this thread.
    pub(in crate::queue) fn cancel(self: &Arc<Self>) {
        let mut state = self.state.lock();
        match mem::replace(&mut *state, State::Over) {
            State::Waiting => {
                drop(state);
                self.withdraw();
                self.complete_elsewhere(Err(canceled().into()));
            }
            // A cancel request to the server would hit the statement that it runs now.
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

    /// Sends the cancel request to the server, on a worker, if that is still wanted. The server ignores a cancel request
    /// that arrives before the statement has begun, so it is repeated for as long as the statement runs on.
    pub(in crate::queue) fn deliver_cancel(&self) {
        let mut state = self.state.lock();
        let handle = match mem::replace(&mut *state, State::Cancelling) {
            State::ToCancel(handle) => handle,
            other => return *state = other,
        };
        let mut delivered = true;
        for wait in WAITS_BETWEEN_CANCELS {
            drop(state);
            if let Err(e) = handle.cancel() {
                log::debug!(target: "holdfast", "could not cancel a request: {e}");
                delivered = false;
            }
            state = self.state.lock();
            *state = State::Cancelled { delivered };
            self.changed.notify_all();
            let end = Instant::now() + wait;
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

    /// Drops the request if it does not run yet: its queue was closed, so no thread will drain the answer.
    pub(in crate::queue) fn abandon(self: &Arc<Self>) {
        let mut state = self.state.lock();
        if !matches!(*state, State::Waiting) {
            return;
        }
        *state = State::Over;
        drop(state);
        self.withdraw();
    }

    /// Takes the request out of the list it waits in, if it still waits.
    fn withdraw(self: &Arc<Self>) {
        let ticket = match &self.connection_queue {
            Some(queue) => queue.withdraw(self),
            None => self.executor.withdraw(self),
        };
        drop(ticket);
    }
}

fn canceled() -> Error {
    Error::new(ErrorKind::Canceled, "the request was cancelled before it ran").set_retryable(true)
}

fn canceled_too_late() -> Error {
    let text = "the request was cancelled when it had been sent behind others: the server may run it";
    Error::new(ErrorKind::Canceled, text).set_retryable(false)
}
