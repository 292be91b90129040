//! The failed attempts of a call for a connection: whether there is another one, and the error in the end.

use std::time::{Duration, Instant};

use super::acquire::Acquisition;
use super::retry_budget::BUDGET_IS_SPENT;
use crate::error::{Error, ErrorKind, LimitedBy, Phase, human};
use crate::observe::event::EventKind;
use crate::pool::admission::Shed;
use crate::pool::outage::last_failure::OpenFailure;

impl Acquisition<'_> {
    /// Returns whether a full server refused an opening while the pool holds connections to wait for. That is no failed
    /// attempt: the call queues as usual.
    pub(super) fn is_served_by_others(&self, error: &Error) -> bool {
        let held = || {
            let (figures, _) = self.core.admission.snapshot();
            figures.in_use + figures.idle
        };
        error.kind() == ErrorKind::ServerFull && held() > 0
    }

    /// Returns whether a full server that pools share refused an opening while this pool holds nothing. The call then waits
    /// in the queue, where the next try is paced. That is no failed attempt either, unless the caller set a number of retries.
    pub(super) fn waits_for_a_slot(&self, error: &Error) -> bool {
        self.call.retries.is_none()
            && self.core.backoff.retries > 0
            && LimitedBy::of(error).is_some_and(|by| by != LimitedBy::Pooler)
            && self.core.admission.shares()
    }

    /// Returns the wait before the next attempt, or `None` for no further attempt. A call without time for the wait still
    /// waits out its deadline when a connection may come meanwhile: one that is in use, or the prober's. An attempt that
    /// costs the server something must fit the pool's retry budget; for a full server the learned limit does that.
    pub(super) fn backoff_after(&mut self, error: &Error, tried: bool) -> Option<Duration> {
        let used = u32::try_from(self.attempts.len()).unwrap_or(u32::MAX) - self.waits_for_slot;
        let mut backoff = self.core.backoff.clone();
        backoff.retries = self.call.retries.unwrap_or(backoff.retries);
        let wait = backoff.wait(used).filter(|_| error.is_retryable())?;
        let in_time = self.end.is_none_or(|end| Instant::now() + wait < end);
        let may_be_served =
            in_time || self.core.coordinator.is_out() || self.core.admission.snapshot().0.in_use > 0;
        let is_free = !tried || self.core.coordinator.is_out() || error.kind() == ErrorKind::ServerFull;
        if may_be_served && !is_free && !self.core.may_retry() {
            self.budget_is_spent = true;
            return None;
        }
        may_be_served.then_some(wait)
    }

    pub(super) fn note_retry(&mut self, error: Error, took: Duration, wait: Duration) {
        let attempt = self.attempts.len() + 1;
        self.core.emit(EventKind::Retried).error(&error).took(wait).warn(
            &[("attempt", attempt.into())],
            format_args!(
                "could not open a connection (attempt {attempt}): {}; next attempt in {}",
                error.summary(),
                human(wait)
            ),
        );
        self.core.admission.count(|c| c.retries += 1);
        self.note_failure(error, took, Some(wait));
    }

    /// Records a refusal that is waited out. Only the first and the last of them are kept.
    pub(super) fn note_wait_for_slot(&mut self, error: Error, took: Duration) {
        if self.waits_for_slot == 2 {
            self.attempts.pop();
            self.waits_for_slot -= 1;
        }
        self.waits_for_slot += 1;
        self.note_failure(error, took, None);
    }

    /// Records a failed opening, after which the call goes on.
    pub(super) fn note_failure(&mut self, error: Error, took: Duration, wait: Option<Duration>) {
        self.attempts.push(error.to_attempt(took, wait));
        self.core.last_open_failure.remember(&error);
        self.core.admission.count(|c| c.failed(error.kind()));
        self.failure = Some(error);
    }

    pub(super) fn give_up(mut self, error: Error, took: Duration) -> Error {
        let error = if self.budget_is_spent { error.with_note(BUDGET_IS_SPENT.to_owned()) } else { error };
        if error.kind() != ErrorKind::PoolClosed {
            self.attempts.push(error.to_attempt(took, None));
            self.core.last_open_failure.remember(&error);
        }
        self.report(error)
    }

    /// Returns the error of a call whose deadline passed in the queue. Failed attempts are the cause if there were any;
    /// otherwise every connection was busy.
    pub(super) fn timed_out(mut self) -> Error {
        self.core.admission.count(|c| c.timeouts += u64::from(self.failure.is_none()));
        if let Some(failure) = self.failure.take() {
            return self.report(failure);
        }
        let error = match self.core.last_open_failure.get() {
            // An opening on this caller's behalf failed meanwhile: that is the cause.
            Some(OpenFailure { kind, phase, cause, os_error, at }) if at >= self.started => {
                Error::new(kind, cause).in_phase(phase.unwrap_or(Phase::Connect)).with_os_error(os_error)
            }
            earlier => self.stayed_busy(earlier),
        };
        self.report(error)
    }

    fn stayed_busy(&self, earlier: Option<OpenFailure>) -> Error {
        let waited = human(self.started.elapsed());
        let message = format!("waited {waited} and every connection stayed busy");
        let error = Error::new(ErrorKind::PoolTimeout, message).in_phase(Phase::Queue);
        match earlier {
            Some(f) => error.with_note(format!(
                "the last failure to open one, {} ago: {}",
                human(f.at.elapsed()),
                f.cause
            )),
            None => error,
        }
    }

    /// Returns the error of a call that was rejected without waiting.
    pub(super) fn shed(self, shed: Shed) -> Error {
        let message = match shed {
            Shed::QueueFull { waiting } => format!(
                "every connection is busy, and as many callers wait already as max_waiting allows: {waiting} of {}",
                self.core.settings.max_waiting
            ),
            Shed::TooLate { turn_in } => format!(
                "every connection is busy, and the queue goes so slowly that this caller's turn would come after about {}, \
                 long after its deadline",
                human(turn_in)
            ),
        };
        self.report(Error::new(ErrorKind::Overloaded, message).in_phase(Phase::Queue))
    }

    pub(super) fn report(self, error: Error) -> Error {
        let (snapshot, _) = self.core.admission.snapshot();
        self.core.admission.count(|c| c.call_failed(error.kind()));
        let took = self.started.elapsed();
        let error = error.with_attempts(self.attempts).with_elapsed(took).with_snapshot(snapshot);
        self.core.keep_sampling();
        if matches!(error.kind(), ErrorKind::PoolTimeout | ErrorKind::Overloaded) {
            let summary = error.summary();
            let emission = self.core.emit(EventKind::TimedOut).error(&error).took(took);
            emission.debug(&[], format_args!("a call got no connection: {summary}"));
        }
        if matches!(error.kind(), ErrorKind::PoolTimeout | ErrorKind::ServerFull) {
            self.core.explain_soon();
        }
        error
    }
}
