//! Permanent failures: a wrong password, an unknown database, a certificate that does not match. After the first one all
//! callers fail fast; [`PermanentFailurePolicy`] decides when the server is asked again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, human};
use crate::pool::core::Core;
use crate::pool::lifecycle::capacity::{AskAgain, AskingAgain};
use crate::pool::lifecycle::failpoint::failpoint;
use crate::resilience::permanent_failure::PermanentFailurePolicy;

pub(in crate::pool) struct PermanentFailure {
    refusal: PermanentFailurePolicy,
    error: Error,
}

/// The treatment of a call that met a permanent failure.
pub(in crate::pool) enum RefusedCall {
    /// The server is being asked again: wait for the answer.
    Wait,
    Fail(Error),
}

/// Returns whether every attempt will fail the same way until the configuration of the client or the server changes.
pub(in crate::pool) fn is_permanent(error: &Error) -> bool {
    let kind = error.kind();
    !error.is_retryable() && matches!(kind, ErrorKind::Auth | ErrorKind::Tls | ErrorKind::Database)
}

impl Core {
    /// Notes a permanent failure. The caller has to notify admission.
    pub(in crate::pool) fn note_permanent_failure(&self, error: &Error) {
        let now = Instant::now();
        let chance = fastrand::f64();
        let mut refused = self.permanent_failure.lock();
        let first = refused.is_none();
        match &mut *refused {
            Some(refused) => {
                refused.refusal.again(now, chance);
                refused.error = error.again();
            }
            None => {
                let refusal = PermanentFailurePolicy::new(now, chance);
                *refused = Some(PermanentFailure { refusal, error: error.again() });
            }
        }
        drop(refused);
        if first {
            self.note_circuit();
            self.log.warn(
                &[("kind", error.kind().name().into())],
                format_args!(
                    "the server refuses this pool, which asks again but rarely: {}",
                    error.summary()
                ),
            );
        }
    }

    /// Clears a permanent failure: an opening succeeded, or failed in another way.
    pub(in crate::pool) fn clear_permanent_failure(&self) {
        let was_refused = self.permanent_failure.lock().take().is_some();
        if was_refused {
            self.note_circuit();
            self.admission.permanent_failure_ended();
        }
    }

    /// Returns for how long a permanent failure has lasted.
    pub(in crate::pool) fn permanent_failure_age(&self) -> Option<Duration> {
        self.permanent_failure.lock().as_ref().map(|refused| refused.refusal.since.elapsed())
    }

    /// Fails a call with the permanent failure, or has the server asked again if that is due.
    pub(in crate::pool) fn fail_or_ask_again(self: &Arc<Self>) -> RefusedCall {
        let now = Instant::now();
        let refused = self.permanent_failure.lock();
        // It may have been cleared just now.
        let Some(PermanentFailure { refusal, error }) = &*refused else { return RefusedCall::Wait };
        if !refusal.may_ask_again(now) {
            let note = format!(
                "asked {} ago; not asked again before {} have passed",
                human(now.saturating_duration_since(refusal.asked)),
                human(refusal.next_probe().saturating_duration_since(now))
            );
            return RefusedCall::Fail(error.again().with_note(note));
        }
        let failure = error.again();
        drop(refused);
        match self.begin_asking_again() {
            AskAgain::Begins(asking) => {
                let core = self.clone();
                self.workers.run_opening(move || core.ask_again(asking));
                RefusedCall::Wait
            }
            AskAgain::IsUnderWay => RefusedCall::Wait,
            AskAgain::HasNoRoom => RefusedCall::Fail(failure),
        }
    }

    fn ask_again(self: Arc<Self>, mut asking: AskingAgain) {
        failpoint!(self, "asked again");
        let Some(capacity) = asking.take_capacity() else { return };
        match self.open(capacity, Instant::now() + self.settings.connection_timeout) {
            Ok(conn) => self.give_back(conn),
            Err(error) => {
                self.remember_open_failure(&error);
                if !is_permanent(&error) {
                    self.clear_permanent_failure();
                }
            }
        }
    }
}
