//! The reaction of a pool to a permanent failure: see
//! [`PermanentFailure`](crate::pool::outage::permanent_failure::PermanentFailure).

use std::sync::Arc;
use std::time::Instant;

use crate::error::Error;
use crate::pool::core::Core;
use crate::pool::guards::{AskAgain, AskingAgain};
use crate::pool::outage::permanent_failure::{RefusedCall, is_permanent};
use crate::pool::tasks::Task;

impl Core {
    /// Notes a permanent failure. The caller has to notify admission.
    pub(in crate::pool) fn note_permanent_failure(&self, error: &Error) {
        if !self.permanent_failure.note(error) {
            return;
        }
        self.note_circuit();
        self.log.warn(
            &[("kind", error.kind().name().into())],
            format_args!("the server refuses this pool, which asks again but rarely: {}", error.summary()),
        );
    }

    /// Clears a permanent failure: an opening succeeded, or failed in another way.
    pub(in crate::pool) fn clear_permanent_failure(&self) {
        if self.permanent_failure.clear() {
            self.note_circuit();
            self.admission.permanent_failure_ended();
        }
    }

    /// Returns the error of a call that meets the permanent failure; `None` when it is to wait, since the server is asked again.
    /// Blocks up to `deadline` where it is this call's turn to ask the program for another password.
    pub(in crate::pool) fn fail_or_ask_again(self: &Arc<Self>, deadline: Instant) -> Option<Error> {
        let failure = match self.permanent_failure.on_call(Instant::now()) {
            RefusedCall::Wait => return None,
            RefusedCall::Fail(error) => return Some(error),
            RefusedCall::AskSource(error, _flight) if self.connector.has_another_password(deadline) => {
                self.permanent_failure.has_another_password();
                error
            }
            RefusedCall::AskSource(error, _) => return Some(error),
            RefusedCall::AskAgain(error) => error,
        };
        match self.begin_asking_again() {
            AskAgain::Begins(asking) => {
                self.start(Task::AskAgain(asking));
                None
            }
            AskAgain::IsUnderWay => None,
            AskAgain::HasNoRoom => Some(failure),
        }
    }

    /// Asks the server again. Runs on a thread for openings.
    pub(in crate::pool) fn ask_again(self: &Arc<Self>, mut asking: AskingAgain) {
        failpoint!(self, "asked again");
        let Some(capacity) = asking.take_capacity() else { return };
        match self.open(capacity, Instant::now() + self.settings.connection_timeout) {
            Ok(conn) => self.give_back(conn),
            Err(error) => {
                self.last_open_failure.remember(&error);
                if !is_permanent(&error) {
                    self.clear_permanent_failure();
                }
            }
        }
    }
}
