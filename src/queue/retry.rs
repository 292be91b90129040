//! Retries of idempotent statements that lost their connection.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::request::{Request, Settled};
use super::task::{Outcome, Trouble, Work};
use crate::error::is_connection_failure;
use crate::pool::{Asked, CheckoutHandle};
use crate::resilience::statement_retry::Repeats;

/// The runs of one request.
#[derive(Default)]
pub(super) struct Runs {
    repeats: Option<Repeats>,
}

impl Runs {
    /// Returns the checkout limits for the next run: what is left of the request's limit.
    pub(super) fn asked(&self, request: &Request) -> Asked {
        let asked = request.asked();
        if self.repeats.is_none() {
            return asked;
        }
        let now = Instant::now();
        let timeout = asked.timeout.map(|limit| (asked.since + limit).saturating_duration_since(now));
        Asked { since: now, timeout, ..asked }
    }

    /// Returns the final answer, or the wait before the request runs again.
    pub(super) fn after(
        &mut self,
        request: &Request,
        pool: &CheckoutHandle,
        settled: Settled,
        outcome: Outcome,
    ) -> ControlFlow<Outcome, Duration> {
        let error = match outcome {
            Err(Trouble::Error(error)) if may_run_again(request, settled, &error) => error,
            other => return ControlFlow::Break(other),
        };
        let repeats = self.repeats.get_or_insert_with(|| pool.repeats(request.asked()));
        match pool.wait_to_repeat(repeats, error) {
            Ok(wait) => ControlFlow::Continue(wait),
            Err(lost) => ControlFlow::Break(Err(lost.into())),
        }
    }
}

/// Returns whether a request lost its connection, is idempotent, and was not cancelled.
pub(super) fn may_run_again(request: &Request, settled: Settled, error: &crate::Error) -> bool {
    settled == Settled::Untouched
        && request.work().is_some_and(Work::may_be_repeated)
        && is_connection_failure(error.kind())
}
