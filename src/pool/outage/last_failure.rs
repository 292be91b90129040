//! The last opening that failed.

use std::time::Instant;

use crate::error::{Error, ErrorKind, Phase};
use crate::sys::sync::Mutex;

#[derive(Clone)]
pub(in crate::pool) struct OpenFailure {
    pub(in crate::pool) kind: ErrorKind,
    pub(in crate::pool) phase: Option<Phase>,
    pub(in crate::pool) cause: String,
    pub(in crate::pool) os_error: Option<i32>,
    pub(in crate::pool) at: Instant,
}

/// The memory of it, for callers that time out in the queue.
#[derive(Default)]
pub(in crate::pool) struct LastOpenFailure(Mutex<Option<OpenFailure>>);

impl LastOpenFailure {
    pub(in crate::pool) fn remember(&self, error: &Error) {
        let failure = OpenFailure {
            kind: error.kind(),
            phase: error.phase(),
            cause: error.summary(),
            os_error: error.os_error(),
            at: Instant::now(),
        };
        let before = self.0.lock().replace(failure);
        drop(before);
    }

    pub(in crate::pool) fn get(&self) -> Option<OpenFailure> {
        self.0.lock().clone()
    }
}
