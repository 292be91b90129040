//! Permanent failures: a wrong password, an unknown database, a certificate that does not match. After the first one all
//! callers fail fast; [`PermanentFailurePolicy`] decides when the server is asked again.

use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, human};
use crate::resilience::permanent_failure::PermanentFailurePolicy;
use crate::sys::single_flight::{Flight, SingleFlight};
use crate::sys::sync::Mutex;

/// The permanent failure of a pool, while it has one.
#[derive(Default)]
pub(in crate::pool) struct PermanentFailure {
    known: Mutex<Option<Known>>,
    asking_source: SingleFlight,
}

struct Known {
    policy: PermanentFailurePolicy,
    error: Error,
}

/// The treatment of a call that meets a permanent failure.
pub(in crate::pool) enum RefusedCall {
    /// The server is being asked again, or answered just now: wait for it.
    Wait,
    /// The server may be asked again. If that is not possible, the call fails with this error.
    AskAgain(Error),
    /// The call fails with this error, unless the source of the password gives another one now.
    AskSource(Error, Flight),
    Fail(Error),
}

/// Returns whether every attempt will fail the same way until the configuration of the client or the server changes.
pub(in crate::pool) fn is_permanent(error: &Error) -> bool {
    let kind = error.kind();
    !error.is_retryable() && matches!(kind, ErrorKind::Auth | ErrorKind::Tls | ErrorKind::Database)
}

impl PermanentFailure {
    /// Notes a permanent failure. Returns whether it is the first.
    pub(in crate::pool) fn note(&self, error: &Error) -> bool {
        let (now, chance) = (Instant::now(), fastrand::f64());
        let mut known = self.known.lock();
        match &mut *known {
            Some(known) => {
                known.policy.again(now, chance);
                known.error = error.again();
                false
            }
            None => {
                *known =
                    Some(Known { policy: PermanentFailurePolicy::new(now, chance), error: error.again() });
                true
            }
        }
    }

    /// Forgets it: an opening succeeded, or failed in another way. Returns whether there was one.
    pub(in crate::pool) fn clear(&self) -> bool {
        let was = self.known.lock().take();
        was.is_some()
    }

    /// Notes that the source of the password gives another one, which is tried.
    pub(in crate::pool) fn has_another_password(&self) {
        if let Some(known) = &mut *self.known.lock() {
            known.policy.has_another_password();
        }
    }

    /// Returns for how long it has lasted.
    pub(in crate::pool) fn age(&self) -> Option<Duration> {
        self.known.lock().as_ref().map(|known| known.policy.since.elapsed())
    }

    /// Decides on a call that meets it.
    pub(in crate::pool) fn on_call(&self, now: Instant) -> RefusedCall {
        let mut known = self.known.lock();
        // It may have been cleared just now.
        let Some(Known { policy, error }) = &mut *known else { return RefusedCall::Wait };
        if policy.may_ask_again(now) {
            return RefusedCall::AskAgain(error.again());
        }
        let note = format!(
            "asked {} ago; not asked again before {} have passed",
            human(now.saturating_duration_since(policy.asked)),
            human(policy.next_probe().saturating_duration_since(now))
        );
        let error_now = error.again().with_note(note);
        if error.is_of_refused_password()
            && let Some(flight) = self.asking_source.begin()
            && policy.begin_asking_source(now)
        {
            return RefusedCall::AskSource(error_now, flight);
        }
        RefusedCall::Fail(error_now)
    }
}
