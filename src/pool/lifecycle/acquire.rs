//! Acquiring a connection: validates an idle one or opens a new one, and retries failed openings.
//!
//! Each attempt has a deadline (`connection_timeout`, over queueing and opening together); the call may have one over
//! all attempts. A thread backs off in the queue, where it is handed any connection that comes free.

use std::cell::Cell;
use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::background_open::OPEN_IN_BACKGROUND_BELOW;
use super::capacity::{Capacity, Granted};
use super::failpoint::failpoint;
use super::retry_budget::BUDGET_IS_SPENT;
use super::validate::Validation;
use crate::error::{Attempt, Error, ErrorKind, LimitedBy, Phase, human};
use crate::observe::checkout::Place;
use crate::observe::event::EventKind;
use crate::pool::admission::{Denied, Grant, Request, Shed};
use crate::pool::connection::server_connection::Parked;
use crate::pool::core::{Core, OpenFailure};
use crate::pool::outage::permanent_failure::RefusedCall;
use crate::pool::pooled_connection::PooledConnection;

/// The shortest wait that is reported. Below it the caller passed the queue without waiting.
const MIN_REPORTED_WAIT: Duration = Duration::from_millis(1);

/// Longer than any call lasts.
const LONGEST_WAIT_24H: Duration = Duration::from_secs(24 * 3600);

/// The conditions of one call for a connection.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Call {
    /// The limit of the whole call, retries and waits included.
    pub(crate) timeout: Option<Duration>,
    /// Replaces `retry_max`.
    pub(crate) retries: Option<u32>,
    /// The time of the request, if that was earlier than now: limits and the place in the queue count from then.
    pub(crate) since: Option<Instant>,
    /// The place in the program that makes the call.
    pub(crate) place: Option<Place>,
}

impl Call {
    /// Makes a call with defaults, from the caller's place.
    #[track_caller]
    pub(crate) fn here() -> Self {
        Self { place: Some(Location::caller()), ..Self::default() }
    }
}

impl Core {
    /// Checks out a connection. The fast path is an idle connection that was used a moment ago.
    #[inline]
    pub(in crate::pool) fn get(self: &Arc<Self>, call: Call) -> Result<PooledConnection, Error> {
        self.check_caller()?;
        let found = match self.admission.try_idle() {
            Some(Grant::Connection(mut parked)) => {
                if self.skips_validation(&mut parked) {
                    return Ok(PooledConnection::new(self.clone(), parked, call.place, Duration::ZERO));
                }
                Some(Granted::Connection(parked))
            }
            Some(Grant::Closed) => Some(Granted::Closed),
            None | Some(Grant::Capacity | Grant::Refused) => None,
        };
        Acquisition::start(self, call).run(found)
    }

    /// Returns the error of a call that waited elsewhere until its deadline.
    #[cfg(feature = "capi")]
    pub(in crate::pool) fn timed_out(self: &Arc<Self>, call: Call) -> Error {
        Acquisition::start(self, call).timed_out()
    }

    /// Returns the error of a submission that is rejected without waiting.
    #[cfg(feature = "capi")]
    pub(in crate::pool) fn shed(self: &Arc<Self>, call: Call, shed: Shed) -> Error {
        Acquisition::start(self, call).shed(shed)
    }

    /// Checks out an idle connection, if one is free now.
    pub(in crate::pool) fn try_get(
        self: &Arc<Self>,
        place: Option<Place>,
    ) -> Result<Option<PooledConnection>, Error> {
        self.check_caller()?;
        // A validation gets at most half of the time, since callers of `get` need the rest for opening another.
        let started = Instant::now();
        let deadline = started + 2 * self.settings.validation_timeout + OPEN_IN_BACKGROUND_BELOW;
        loop {
            match self.admission.try_idle() {
                None | Some(Grant::Capacity | Grant::Refused) => return Ok(None),
                Some(Grant::Closed) => return Err(pool_closed()),
                Some(Grant::Connection(parked)) => {
                    if let Validation::Valid(validated) = self.validate(parked, deadline) {
                        return Ok(Some(PooledConnection::new(
                            self.clone(),
                            validated,
                            place,
                            started.elapsed(),
                        )));
                    }
                }
            }
        }
    }
}

pub(in crate::pool) fn pool_closed() -> Error {
    Error::new(ErrorKind::PoolClosed, "the pool was closed").in_phase(Phase::Queue)
}

/// A call for a connection, from its first attempt to its last.
struct Acquisition<'a> {
    core: &'a Arc<Core>,
    call: Call,
    started: Instant,
    end: Option<Instant>,
    attempts: Vec<Attempt>,
    /// The number of attempts that a full server refused and that were waited out.
    waits_for_slot: u32,
    /// The last failure to open, as it will be reported if no retry follows.
    failure: Option<Error>,
    /// Another attempt was due, but the pool's retry budget was spent.
    budget_is_spent: bool,
    /// The call waited in the queue.
    queued: Cell<bool>,
}

/// The outcome of one pass through queue and opening.
enum Pass {
    Got(Parked),
    /// An idle connection was dead: take another within the same attempt.
    Again,
    /// A background thread opens a connection: wait for that one, or for any other.
    OpenedInBackground,
    /// A worker validates an idle connection: wait for that one for so long, or for any other.
    ValidatedInBackground(Duration),
    Failed {
        error: Error,
        /// This call made the attempt itself. Otherwise it reuses the failure that another call met.
        tried: bool,
    },
    TimedOut,
    Shed(Shed),
}

impl Pass {
    fn failed(error: Error) -> Self {
        Self::Failed { error, tried: true }
    }
}

impl<'a> Acquisition<'a> {
    fn start(core: &'a Arc<Core>, call: Call) -> Self {
        let started = call.since.unwrap_or_else(Instant::now);
        let end = call.timeout.and_then(|t| started.checked_add(t));
        Self {
            core,
            call,
            started,
            end,
            attempts: Vec::new(),
            waits_for_slot: 0,
            failure: None,
            budget_is_spent: false,
            queued: Cell::new(false),
        }
    }

    fn run(mut self, mut grant: Option<Granted>) -> Result<PooledConnection, Error> {
        if grant.is_none()
            && let Some(error) = self.core.fail_fast_error()
        {
            return Err(self.report(error));
        }
        let mut request = self.request(self.started, None);
        let mut attempt_started = self.started;
        loop {
            let pass = self.pass(grant.take(), request);
            request.is_new = false;
            match pass {
                Pass::Got(parked) => return Ok(self.check_out(parked)),
                Pass::Again => {}
                // Beyond the deadline: this caller opens nothing itself.
                Pass::OpenedInBackground => {
                    request.opens_from = Some(request.deadline + LONGEST_WAIT_24H);
                    request.backs_off = false;
                }
                Pass::ValidatedInBackground(patience) => {
                    request.opens_from = request.opens_from.max(Some(Instant::now() + patience));
                }
                Pass::TimedOut => return Err(self.timed_out()),
                Pass::Shed(shed) => return Err(self.shed(shed)),
                Pass::Failed { error, .. } if self.waits_for_a_slot(&error) => {
                    self.note_wait_for_slot(error, attempt_started.elapsed());
                    attempt_started = Instant::now();
                }
                Pass::Failed { error, .. } if self.is_served_by_others(&error) => {
                    self.note_failure(error, attempt_started.elapsed(), None);
                    attempt_started = Instant::now();
                }
                Pass::Failed { error, tried } => {
                    let took = attempt_started.elapsed();
                    match self.backoff_after(&error, tried) {
                        Some(wait) => {
                            let from = Instant::now() + wait;
                            self.note_retry(error, took, wait);
                            request = self.request(from, Some(from));
                            attempt_started = from;
                        }
                        None => return Err(self.give_up(error, took)),
                    }
                }
            }
        }
    }

    fn check_out(self, parked: Parked) -> PooledConnection {
        let waited = self.started.elapsed();
        if self.queued.get() {
            self.core.emit(EventKind::Waited).of(&parked).took(waited).event_only();
        }
        PooledConnection::new(self.core.clone(), parked, self.call.place, waited)
    }

    fn request(&self, attempt_starts: Instant, opens_from: Option<Instant>) -> Request {
        let limit = attempt_starts + self.core.settings.connection_timeout;
        let deadline = self.end.map_or(limit, |end| end.min(limit));
        let backs_off = opens_from.is_some();
        Request { since: self.started, deadline, opens_from, backs_off, is_new: !backs_off }
    }

    fn pass(&self, grant: Option<Granted>, request: Request) -> Pass {
        let grant = match grant.map_or_else(|| self.wait(request), Ok) {
            Ok(grant) => grant,
            Err(Denied::TimedOut) => return Pass::TimedOut,
            Err(Denied::Shed(shed)) => return Pass::Shed(shed),
        };
        match grant {
            Granted::Closed => Pass::failed(pool_closed()),
            Granted::Refused => match self.core.fail_or_ask_again() {
                RefusedCall::Wait => Pass::Again,
                RefusedCall::Fail(error) => Pass::failed(error),
            },
            Granted::Connection(parked) => match self.core.validate(parked, request.deadline) {
                Validation::Valid(parked) => Pass::Got(parked),
                Validation::Failed => Pass::Again,
                Validation::InBackground { patience } => Pass::ValidatedInBackground(patience),
            },
            Granted::Capacity(capacity) => self.use_capacity(capacity, request.deadline),
        }
    }

    fn wait(&self, request: Request) -> Result<Granted, Denied> {
        self.core.keep_sampling();
        let asked = Instant::now();
        let got = self.core.wait(request);
        if asked.elapsed() >= MIN_REPORTED_WAIT {
            self.queued.set(true);
        }
        got
    }

    fn use_capacity(&self, capacity: Capacity, deadline: Instant) -> Pass {
        failpoint!(self.core, "capacity");
        if let Some(error) = self.core.known_failure() {
            return Pass::Failed { error, tried: false };
        }
        if time_left(deadline) < OPEN_IN_BACKGROUND_BELOW {
            self.core.open_in_background(capacity);
            return Pass::OpenedInBackground;
        }
        match self.core.open(capacity, deadline) {
            Ok(parked) => {
                self.core.admission.count(|c| c.gets += 1);
                // The refill had given way to this opening.
                self.core.refill();
                Pass::Got(parked)
            }
            Err(error) => Pass::failed(error),
        }
    }

    /// Returns whether a full server refused an opening while the pool holds connections to wait for. That is no failed
    /// attempt: the call queues as usual.
    fn is_served_by_others(&self, error: &Error) -> bool {
        let held = || {
            let (figures, _) = self.core.admission.snapshot();
            figures.in_use + figures.idle
        };
        error.kind() == ErrorKind::ServerFull && held() > 0
    }

    /// Returns whether a full server that pools share refused an opening while this pool holds nothing. The call then waits
    /// in the queue, where the next try is paced. That is no failed attempt either, unless the caller set a number of retries.
    fn waits_for_a_slot(&self, error: &Error) -> bool {
        self.call.retries.is_none()
            && self.core.backoff.retries > 0
            && LimitedBy::of(error).is_some_and(|by| by != LimitedBy::Pooler)
            && self.core.admission.shares()
    }

    /// Returns the wait before the next attempt, or `None` for no further attempt. A call without time for the wait still
    /// waits out its deadline when a connection may come meanwhile: one that is in use, or the prober's. An attempt that
    /// costs the server something must fit the pool's retry budget; for a full server the learned limit does that.
    fn backoff_after(&mut self, error: &Error, tried: bool) -> Option<Duration> {
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

    fn note_retry(&mut self, error: Error, took: Duration, wait: Duration) {
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
    fn note_wait_for_slot(&mut self, error: Error, took: Duration) {
        if self.waits_for_slot == 2 {
            self.attempts.pop();
            self.waits_for_slot -= 1;
        }
        self.waits_for_slot += 1;
        self.note_failure(error, took, None);
    }

    /// Records a failed opening, after which the call goes on.
    fn note_failure(&mut self, error: Error, took: Duration, wait: Option<Duration>) {
        self.attempts.push(error.to_attempt(took, wait));
        self.core.remember_open_failure(&error);
        self.core.admission.count(|c| c.failed(error.kind()));
        self.failure = Some(error);
    }

    fn give_up(mut self, error: Error, took: Duration) -> Error {
        let error = if self.budget_is_spent { error.with_note(BUDGET_IS_SPENT.to_owned()) } else { error };
        if error.kind() != ErrorKind::PoolClosed {
            self.attempts.push(error.to_attempt(took, None));
            self.core.remember_open_failure(&error);
        }
        self.report(error)
    }

    /// Returns the error of a call whose deadline passed in the queue. Failed attempts are the cause if there were any;
    /// otherwise every connection was busy.
    fn timed_out(mut self) -> Error {
        self.core.admission.count(|c| c.timeouts += u64::from(self.failure.is_none()));
        if let Some(failure) = self.failure.take() {
            return self.report(failure);
        }
        let error = match self.core.last_open_failure.lock().clone() {
            // An opening on this caller's behalf failed meanwhile: that is the cause.
            Some(OpenFailure { kind, phase, cause, at }) if at >= self.started => {
                Error::new(kind, cause).in_phase(phase.unwrap_or(Phase::Connect))
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
    fn shed(self, shed: Shed) -> Error {
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

    fn report(self, error: Error) -> Error {
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

impl Core {
    pub(in crate::pool) fn remember_open_failure(&self, error: &Error) {
        *self.last_open_failure.lock() = Some(OpenFailure {
            kind: error.kind(),
            phase: error.phase(),
            cause: error.summary(),
            at: Instant::now(),
        });
    }
}

fn time_left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}
