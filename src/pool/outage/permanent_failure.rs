//! What is refused for good: a wrong password, an unknown database, a certificate that does not match. One attempt is
//! enough for everybody; when it is asked again, [`Refusal`] decides.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, human};
use crate::pool::core::Inner;
use crate::pool::lifecycle::capacity::{AskAgain, AskingAgain};
use crate::pool::lifecycle::failpoint::failpoint;
use crate::resilience::permanent_failure::Refusal;

pub(in crate::pool) struct RefusedForGood {
    refusal: Refusal,
    error: Error,
}

/// What one is told whom the server refuses.
pub(in crate::pool) enum Told {
    /// The server is being asked again: wait for the answer.
    Wait,
    Refused(Error),
}

/// Whether every attempt will meet the same until the configuration, here or there, is another.
pub(in crate::pool) fn is_for_good(error: &Error) -> bool {
    let kind = error.kind();
    !error.is_retryable() && matches!(kind, ErrorKind::Auth | ErrorKind::Tls | ErrorKind::Database)
}

impl Inner {
    /// An opening was refused for good, of which admission is to be told by the caller.
    pub(in crate::pool) fn note_refusal(&self, error: &Error) {
        let now = Instant::now();
        let chance = fastrand::f64();
        let mut refused = self.refused_for_good.lock();
        let first = refused.is_none();
        match &mut *refused {
            Some(refused) => {
                refused.refusal.again(now, chance);
                refused.error = error.again();
            }
            None => {
                let refusal = Refusal::new(now, chance);
                *refused = Some(RefusedForGood { refusal, error: error.again() });
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

    /// An opening succeeded, or failed in another way.
    pub(in crate::pool) fn forget_refusal(&self) {
        let was_refused = self.refused_for_good.lock().take().is_some();
        if was_refused {
            self.note_circuit();
            self.admission.no_longer_refused();
        }
    }

    /// For how long the server has refused this pool.
    pub(in crate::pool) fn refused_for(&self) -> Option<Duration> {
        self.refused_for_good.lock().as_ref().map(|refused| refused.refusal.since.elapsed())
    }

    /// Somebody wants a connection whom the server refuses.
    pub(in crate::pool) fn tell_refusal(self: &Arc<Self>) -> Told {
        let now = Instant::now();
        let refused = self.refused_for_good.lock();
        // It may have changed its mind just now.
        let Some(RefusedForGood { refusal, error }) = &*refused else { return Told::Wait };
        if !refusal.may_ask_again(now) {
            let note = format!(
                "asked {} ago; not asked again before {} have passed",
                human(now.saturating_duration_since(refusal.asked)),
                human(refusal.next_probe().saturating_duration_since(now))
            );
            return Told::Refused(error.again().with_note(note));
        }
        let told = error.again();
        drop(refused);
        match self.begin_asking_again() {
            AskAgain::Begins(asking) => {
                let inner = self.clone();
                self.workers.run_opening(move || inner.ask_again(asking));
                Told::Wait
            }
            AskAgain::IsUnderWay => Told::Wait,
            AskAgain::HasNoRoom => Told::Refused(told),
        }
    }

    fn ask_again(self: Arc<Self>, mut asking: AskingAgain) {
        failpoint!(self, "asked again");
        let Some(capacity) = asking.take_capacity() else { return };
        match self.open(capacity, Instant::now() + self.settings.connection_timeout) {
            Ok(conn) => self.give_back(conn),
            Err(error) => {
                self.remember_open_failure(&error);
                if !is_for_good(&error) {
                    self.forget_refusal();
                }
            }
        }
    }
}
