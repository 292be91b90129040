//! Whether a connection is what it should be, alive and at a server of the right role, and how it is found out as cheaply as
//! its history allows.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::failpoint::failpoint;
use crate::error::human;
use crate::link::IdlePoll;
use crate::pool::connection::server_connection::{OpenConnection, Parked};
use crate::pool::core::Inner;
use crate::pool::telemetry::stats::CloseReason;
use crate::sys::clock::Tick;

/// A connection parked less than this ago is lent again without a look: the look costs ten times the rest of the loan,
/// and what could have happened to it meanwhile could as well happen right after a look. A loan that lasted longer than
/// this ends with a look. So a connection that died is met by a borrower only within so short a time of its death.
pub(in crate::pool) const LOOK_AFTER: Duration = Duration::from_millis(2);

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pool) enum Answer {
    Fit,
    /// The server is alive, and has not the role that `target_session_attrs` asks for; why.
    Unfit(&'static str),
    /// None in time, or none that makes sense.
    Dead,
}

/// Whether a connection works.
pub(in crate::pool) enum Proof {
    Given(Parked),
    Failed,
    /// A worker finds out; the caller may wait so long for it, and needs the rest of its time for opening another.
    Elsewhere {
        patience: Duration,
    },
}

impl Inner {
    /// Starts the loan's clock, too.
    #[inline]
    pub(in crate::pool) fn needs_no_look(&self, parked: &mut OpenConnection) -> bool {
        let now = Tick::now();
        parked.lent_at = now;
        now.since(parked.heard_at) < LOOK_AFTER
            && !parked.doubtful
            && self.trust.covers(parked.heard_at, parked.era)
    }

    /// Makes sure that a lent connection works, as cheaply as its history allows. A dead one is retired, and everything
    /// parked before this moment becomes suspect, so that the next borrowers do not find out one by one.
    pub(in crate::pool) fn prove(self: &Arc<Self>, mut parked: Parked, deadline: Instant) -> Proof {
        // What is handed to a waiter was looked at when it came back, unless the loan was too short for anything to happen.
        if self.needs_no_look(&mut parked) {
            return Proof::Given(parked);
        }
        let now = Tick::now();
        let missed = self.notice_standstill(now);
        if let Some(reason) = self.is_overdue(&parked, now.plus(missed)) {
            self.retire_unlent(parked, reason);
            return Proof::Failed;
        }
        let trusted = now.since(parked.heard_at) <= self.settings.validate_after_idle
            && !parked.doubtful
            && self.trust.covers(parked.heard_at, parked.era);
        let answer = match parked.link.poll_idle() {
            IdlePoll::Closed => Answer::Dead,
            IdlePoll::Quiet if trusted => Answer::Fit,
            IdlePoll::Quiet | IdlePoll::Unsolicited => {
                // Half of the time is kept for opening another, should this one be dead.
                let limit = self.settings.validation_timeout;
                let allowed = limit.min(deadline.saturating_duration_since(Instant::now()) / 2);
                if allowed < limit / 2 {
                    self.prove_in_background(parked);
                    return Proof::Elsewhere { patience: allowed };
                }
                self.ask(&mut parked, allowed)
            }
        };
        if let Some(reason) = self.tell_of_answer(&parked, answer) {
            self.retire_unlent(parked, reason);
            return Proof::Failed;
        }
        parked.lent_at = now;
        Proof::Given(parked)
    }

    /// Draws the conclusions for all others, and returns why this one must be closed, if it must.
    #[inline]
    pub(in crate::pool) fn tell_of_answer(
        &self,
        parked: &OpenConnection,
        answer: Answer,
    ) -> Option<CloseReason> {
        match answer {
            Answer::Fit => None,
            Answer::Unfit(why) => {
                self.tell_of_wrong_role(parked, why);
                Some(CloseReason::WrongRole)
            }
            Answer::Dead => {
                self.tell_of_death(parked);
                Some(CloseReason::ValidationFailed)
            }
        }
    }

    /// An idle connection was found dead.
    #[cold]
    fn tell_of_death(&self, parked: &OpenConnection) {
        self.log.info(
            &[("connection", parked.id.into())],
            format_args!(
                "an idle connection was found dead after {}; all parked before now will be checked before use",
                human(Tick::now().since(parked.parked_at))
            ),
        );
        self.trust.suspect_all_parked();
        self.governor.lost_one();
    }

    /// A caller in a hurry must not make a healthy connection look dead by cutting its proof short: a worker lets it
    /// prove itself at leisure, and the queue hands it on.
    #[cold]
    fn prove_in_background(self: &Arc<Self>, mut parked: Parked) {
        let inner = self.clone();
        self.workers.run(move || {
            failpoint!(inner, "validating in the background");
            let answer = inner.ask(&mut parked, inner.settings.validation_timeout);
            if let Some(reason) = inner.tell_of_answer(&parked, answer) {
                return inner.retire_unlent(parked, reason);
            }
            // Never reached its borrower.
            inner.admission.count(|c| c.gets -= 1);
            inner.give_back(parked);
        });
    }

    /// A round trip, in bounded time. Where a role is asked for that is what the server is asked for: an answer costs it no
    /// more than an empty one, and roles change while connections are idle.
    pub(in crate::pool) fn ask(&self, conn: &mut OpenConnection, limit: Duration) -> Answer {
        failpoint!(self, "validating");
        let era = self.trust.era();
        let asked = Instant::now();
        let mut run = |sql: &str| conn.run_for_pool(sql, asked + limit);
        let answer = if self.asks_for_role {
            let mut first_row =
                |sql: &str| Ok(run(sql)?.into_iter().next().unwrap_or_default().into_values());
            match self.connector.misfit(&mut first_row) {
                Ok(None) => Answer::Fit,
                Ok(Some(why)) => Answer::Unfit(why),
                Err(_) => Answer::Dead,
            }
        } else if run("").is_ok() {
            Answer::Fit
        } else {
            Answer::Dead
        };
        let answer = if conn.link.is_clean() { answer } else { Answer::Dead };
        failpoint!(self, "validated");
        if answer == Answer::Fit {
            self.meters.proved(asked.elapsed());
            conn.heard_at = Tick::now();
            conn.era = era;
            conn.doubtful = false;
            conn.link.forget_role_evidence();
        }
        answer
    }
}
