//! The states of a request, from its submission to its answer.

use std::sync::Arc;

use crate::link::cancel::CancelHandle;

/// The progress of a request.
pub(super) enum State {
    /// It waits for its turn, or for a connection.
    Waiting,
    /// It was sent to the server, behind other requests.
    Sent,
    /// It runs; the handle cancels it.
    Running(Arc<CancelHandle>),
    /// It runs, and goes on though it is cancelled.
    RunningToItsEnd,
    /// It runs and is to be cancelled: a worker was woken for that and has not begun.
    ToCancel(Arc<CancelHandle>),
    /// It runs, and a cancel request is on its way to the server.
    Cancelling,
    /// A cancel request was sent; the statement may have ended since.
    Cancelled { delivered: bool },
    /// The statement has ended; the answer follows.
    Settled,
    /// It was answered or abandoned.
    Over,
}

/// The effect of cancel requests on a statement that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::queue) enum Settled {
    /// No cancel request was sent.
    Untouched,
    Cancelled,
    /// A cancel request may still be on its way, and hit the next statement on the connection.
    MaybeCancelled,
}
