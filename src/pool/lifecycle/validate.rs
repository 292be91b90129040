//! Validation: checks that a connection is alive and at a server of the right role, as cheaply as its history allows.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::{LinkFault, human};
use crate::link::IdlePoll;
use crate::pool::connection::server_connection::{OpenConnection, Parked};
use crate::pool::connection::validation::{CheckResult, POLL_SOCKET_AFTER, Validation};
use crate::pool::core::Core;
use crate::pool::tasks::Task;
use crate::pool::telemetry::stats::CloseReason;
use crate::sys::clock::Tick;

impl Core {
    /// Returns whether a connection was used so recently that it needs no check. Starts the checkout's clock, too.
    #[inline]
    pub(in crate::pool) fn skips_validation(&self, parked: &mut OpenConnection) -> bool {
        let now = Tick::now();
        parked.checked_out_at = now;
        now.since(parked.heard_at) < POLL_SOCKET_AFTER
            && !parked.must_revalidate
            && self.revalidation.allows_reuse(parked.heard_at, parked.epoch)
    }

    /// Makes sure that a connection works before it is checked out, as cheaply as its history allows. A dead one is retired,
    /// and all connections parked before this moment become suspect, so that the next callers do not find out one by one.
    pub(in crate::pool) fn validate(self: &Arc<Self>, mut parked: Parked, deadline: Instant) -> Validation {
        // A connection handed to a waiter was polled when it came back, unless the checkout was too short to matter.
        if self.skips_validation(&mut parked) {
            return Validation::Valid(parked);
        }
        let now = Tick::now();
        let missed = self.detect_clock_jump(now);
        if let Some(reason) = self.is_overdue(&parked, now.plus(missed)) {
            self.retire_before_checkout(parked, reason);
            return Validation::Failed;
        }
        let is_recent = now.since(parked.heard_at) <= self.settings.validate_after_idle
            && !parked.must_revalidate
            && self.revalidation.allows_reuse(parked.heard_at, parked.epoch);
        let answer = match parked.link.poll_idle() {
            IdlePoll::Closed => CheckResult::Dead,
            IdlePoll::Quiet if is_recent => CheckResult::Valid,
            IdlePoll::Quiet | IdlePoll::Unsolicited => {
                // Half of the time is kept for opening another, should this one be dead.
                let limit = self.settings.validation_timeout;
                let allowed = limit.min(deadline.saturating_duration_since(Instant::now()) / 2);
                if allowed < limit / 2 {
                    self.start(Task::ValidateForCaller(parked));
                    return Validation::InBackground { patience: allowed };
                }
                self.health_check(&mut parked, allowed)
            }
        };
        if let Some(reason) = self.conclude_check(&parked, answer) {
            self.retire_before_checkout(parked, reason);
            return Validation::Failed;
        }
        parked.checked_out_at = now;
        Validation::Valid(parked)
    }

    /// Applies the outcome to the other connections. Returns why this one must be closed, if it must.
    #[inline]
    pub(in crate::pool) fn conclude_check(
        &self,
        parked: &OpenConnection,
        answer: CheckResult,
    ) -> Option<CloseReason> {
        match answer {
            CheckResult::Valid => None,
            CheckResult::WrongRole(why) => {
                self.note_wrong_role(parked, why);
                Some(CloseReason::WrongRole)
            }
            // Only the end of the pool cuts a connection that is not checked out.
            CheckResult::Dead if parked.link.fault() == Some(LinkFault::Interrupted) => {
                Some(CloseReason::PoolClosed)
            }
            CheckResult::Dead => {
                self.note_dead_connection(parked);
                Some(CloseReason::ValidationFailed)
            }
        }
    }

    /// Logs that an idle connection was found dead, and makes all parked ones suspect.
    #[cold]
    fn note_dead_connection(&self, parked: &OpenConnection) {
        self.log.info(
            &[("connection", parked.id.into())],
            format_args!(
                "an idle connection was found dead after {}; all parked before now will be checked before use",
                human(Tick::now().since(parked.parked_at))
            ),
        );
        self.revalidation.suspect_all_parked();
        self.server_lost_connection();
    }

    /// Validates a connection, which the queue then hands on. A caller with little time left must not make a healthy connection
    /// look dead by cutting its validation short. Runs on a worker.
    pub(in crate::pool) fn validate_for_caller(self: &Arc<Self>, mut parked: Parked) {
        failpoint!(self, "validating in the background");
        let answer = self.health_check(&mut parked, self.settings.validation_timeout);
        if let Some(reason) = self.conclude_check(&parked, answer) {
            return self.retire_before_checkout(parked, reason);
        }
        // The connection never reached its caller.
        self.admission.count(|c| c.gets -= 1);
        self.give_back(parked);
    }

    /// Makes a round trip, in bounded time. Where a role is required, the server is asked for its role: that costs it no more
    /// than an empty statement, and roles change while connections are idle.
    pub(in crate::pool) fn health_check(&self, conn: &mut OpenConnection, limit: Duration) -> CheckResult {
        failpoint!(self, "validating");
        let epoch = self.revalidation.epoch();
        let asked = Instant::now();
        let answer = if self.asks_for_role {
            let mut first_row = |sql: &str| {
                let rows = conn.ask_for_pool(sql, asked + limit)?;
                Ok(rows.into_iter().next().unwrap_or_default().into_values())
            };
            match self.connector.misfit(&mut first_row) {
                Ok(None) => CheckResult::Valid,
                Ok(Some(why)) => CheckResult::WrongRole(why),
                Err(_) => CheckResult::Dead,
            }
        } else if conn.run_for_pool("", asked + limit).is_ok() {
            CheckResult::Valid
        } else {
            CheckResult::Dead
        };
        let answer = if conn.link.is_clean() { answer } else { CheckResult::Dead };
        failpoint!(self, "validated");
        if answer == CheckResult::Valid {
            self.metrics.validated(asked.elapsed());
            conn.heard_at = Tick::now();
            conn.epoch = epoch;
            conn.must_revalidate = false;
            conn.link.forget_role_evidence();
        }
        answer
    }
}
