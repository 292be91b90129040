//! Getting a connection: an idle one that proves itself, or a new one; with retries of what failed to open.
//!
//! Attempts have a deadline each (`connection_timeout`, over queueing and opening together), the call may have one over
//! all. A thread that backs off does so in the queue, where a connection that comes free finds it.

use std::cell::Cell;
use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::background_open::IN_A_HURRY;
use super::capacity::{Capacity, Granted};
use super::failpoint::failpoint;
use super::retry_budget::BUDGET_IS_SPENT;
use super::validate::Proof;
use crate::error::{Attempt, Error, ErrorKind, LimitedBy, Phase, human};
use crate::observe::checkout::Place;
use crate::observe::event::EventKind;
use crate::pool::admission::{Denied, Grant, Request, Shed};
use crate::pool::connection::server_connection::Parked;
use crate::pool::core::{Inner, OpenFailure};
use crate::pool::outage::permanent_failure::Told;
use crate::pool::pooled_connection::PooledConnection;

/// A wait that is over sooner is none that anybody wants to hear of: the queue was passed, not waited in.
const WORTH_TELLING: Duration = Duration::from_millis(1);

/// Longer than any call.
const NEVER: Duration = Duration::from_secs(24 * 3600);

/// How one call wants its connection.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Call {
    /// Limit of the whole call, retries and waits included.
    pub(crate) timeout: Option<Duration>,
    /// Replaces `retry_max`.
    pub(crate) retries: Option<u32>,
    /// When it was asked for, if that was earlier than now: limits and the place in the queue count from then.
    pub(crate) since: Option<Instant>,
    /// Where in the program it is asked for.
    pub(crate) place: Option<Place>,
}

impl Call {
    /// With nothing said but where.
    #[track_caller]
    pub(crate) fn here() -> Self {
        Self { place: Some(Location::caller()), ..Self::default() }
    }
}

impl Inner {
    /// The path of most calls: an idle connection, used a moment ago. Otherwise the long way.
    #[inline]
    pub(in crate::pool) fn get(self: &Arc<Self>, call: Call) -> Result<PooledConnection, Error> {
        self.check_caller()?;
        let found = match self.admission.try_idle() {
            Some(Grant::Connection(mut parked)) => {
                if self.needs_no_look(&mut parked) {
                    return Ok(PooledConnection::new(self.clone(), parked, call.place, Duration::ZERO));
                }
                Some(Granted::Connection(parked))
            }
            Some(Grant::Closed) => Some(Granted::Closed),
            None | Some(Grant::Capacity | Grant::Refused) => None,
        };
        Acquisition::start(self, call).run(found)
    }

    /// What a call is told that has waited elsewhere, until its time was up.
    #[cfg(feature = "capi")]
    pub(in crate::pool) fn timed_out(self: &Arc<Self>, call: Call) -> Error {
        Acquisition::start(self, call).timed_out()
    }

    /// An idle connection, if one is free now.
    pub(in crate::pool) fn try_get(
        self: &Arc<Self>,
        place: Option<Place>,
    ) -> Result<Option<PooledConnection>, Error> {
        self.check_caller()?;
        // A proof gets half of the time at most, since callers of `get` need the rest for opening another.
        let started = Instant::now();
        let deadline = started + 2 * self.settings.validation_timeout + IN_A_HURRY;
        loop {
            match self.admission.try_idle() {
                None | Some(Grant::Capacity | Grant::Refused) => return Ok(None),
                Some(Grant::Closed) => return Err(pool_closed()),
                Some(Grant::Connection(parked)) => {
                    if let Proof::Given(proven) = self.prove(parked, deadline) {
                        return Ok(Some(PooledConnection::new(
                            self.clone(),
                            proven,
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

/// One call for a connection, from its first try to its last.
struct Acquisition<'a> {
    inner: &'a Arc<Inner>,
    call: Call,
    started: Instant,
    end: Option<Instant>,
    attempts: Vec<Attempt>,
    /// How many of them are refusals of a full server that were waited out.
    waits_for_slot: u32,
    /// The last failure to open, as it will be reported if no retry follows.
    failure: Option<Error>,
    /// There would have been another attempt.
    budget_is_spent: bool,
    /// It had to wait for others.
    queued: Cell<bool>,
}

/// What one pass through queue and opening led to.
enum Pass {
    Got(Parked),
    /// An idle connection was dead: look for another within the same attempt.
    Again,
    /// A worker opens a connection: wait for that one, or for any other.
    OpenedElsewhere,
    /// A worker lets an idle connection prove itself: wait for that one for so long, or for any other.
    ProvenElsewhere(Duration),
    Failed {
        error: Error,
        /// This call tried. Otherwise it was spared what others have found out.
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
    fn start(inner: &'a Arc<Inner>, call: Call) -> Self {
        let started = call.since.unwrap_or_else(Instant::now);
        let end = call.timeout.and_then(|t| started.checked_add(t));
        Self {
            inner,
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
            && let Some(error) = self.inner.refused_at_once()
        {
            return Err(self.report(error));
        }
        let mut request = self.request(self.started, None);
        let mut attempt_started = self.started;
        loop {
            let pass = self.pass(grant.take(), request);
            request.is_new = false;
            match pass {
                Pass::Got(parked) => return Ok(self.lend(parked)),
                Pass::Again => {}
                // Beyond the deadline: this caller opens nothing any more.
                Pass::OpenedElsewhere => {
                    request.opens_from = Some(request.deadline + NEVER);
                    request.backs_off = false;
                }
                Pass::ProvenElsewhere(patience) => {
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

    fn lend(self, parked: Parked) -> PooledConnection {
        let waited = self.started.elapsed();
        if self.queued.get() {
            self.inner.tell(EventKind::Waited).of(&parked).took(waited).silently();
        }
        PooledConnection::new(self.inner.clone(), parked, self.call.place, waited)
    }

    fn request(&self, attempt_starts: Instant, opens_from: Option<Instant>) -> Request {
        let limit = attempt_starts + self.inner.settings.connection_timeout;
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
            Granted::Refused => match self.inner.tell_refusal() {
                Told::Wait => Pass::Again,
                Told::Refused(error) => Pass::failed(error),
            },
            Granted::Connection(parked) => match self.inner.prove(parked, request.deadline) {
                Proof::Given(parked) => Pass::Got(parked),
                Proof::Failed => Pass::Again,
                Proof::Elsewhere { patience } => Pass::ProvenElsewhere(patience),
            },
            Granted::Capacity(capacity) => self.use_capacity(capacity, request.deadline),
        }
    }

    fn wait(&self, request: Request) -> Result<Granted, Denied> {
        self.inner.watch_from_now();
        let asked = Instant::now();
        let got = self.inner.wait(request);
        if asked.elapsed() >= WORTH_TELLING {
            self.queued.set(true);
        }
        got
    }

    fn use_capacity(&self, capacity: Capacity, deadline: Instant) -> Pass {
        failpoint!(self.inner, "capacity");
        if let Some(error) = self.inner.known_failure() {
            return Pass::Failed { error, tried: false };
        }
        if time_left(deadline) < IN_A_HURRY {
            self.inner.open_in_background(capacity);
            return Pass::OpenedElsewhere;
        }
        match self.inner.open(capacity, deadline) {
            Ok(parked) => {
                self.inner.admission.count(|c| c.gets += 1);
                // What stood back for this one.
                self.inner.refill();
                Pass::Got(parked)
            }
            Err(error) => Pass::failed(error),
        }
    }

    /// Whether an opening was refused by a full server and there are connections to wait for instead: that is no failed
    /// attempt, but the queue as usual.
    fn is_served_by_others(&self, error: &Error) -> bool {
        let held = || {
            let (figures, _) = self.inner.admission.snapshot();
            figures.in_use + figures.idle
        };
        error.kind() == ErrorKind::ServerFull && held() > 0
    }

    /// Whether an opening was refused by a full server that pools share: this one holds nothing, and waits for its turn in the
    /// queue, where the next try is paced. That is no failed attempt either, unless the caller said how often to try.
    fn waits_for_a_slot(&self, error: &Error) -> bool {
        self.call.retries.is_none()
            && self.inner.backoff.retries > 0
            && LimitedBy::of(error).is_some_and(|by| by != LimitedBy::Pooler)
            && self.inner.admission.shares()
    }

    /// How long to wait before the next attempt, if there is to be one. A call without time for the wait still waits
    /// out its deadline when a connection may come meanwhile: one of the pool that is in use, or the prober's. An attempt
    /// that costs the server something has to be in the pool's budget; a full server has a limit of its own for that.
    fn backoff_after(&mut self, error: &Error, tried: bool) -> Option<Duration> {
        let used = u32::try_from(self.attempts.len()).unwrap_or(u32::MAX) - self.waits_for_slot;
        let mut backoff = self.inner.backoff.clone();
        backoff.retries = self.call.retries.unwrap_or(backoff.retries);
        let wait = backoff.wait(used).filter(|_| error.is_retryable())?;
        let in_time = self.end.is_none_or(|end| Instant::now() + wait < end);
        let may_be_served =
            in_time || self.inner.governor.is_out() || self.inner.admission.snapshot().0.in_use > 0;
        let is_free = !tried || self.inner.governor.is_out() || error.kind() == ErrorKind::ServerFull;
        if may_be_served && !is_free && !self.inner.may_retry() {
            self.budget_is_spent = true;
            return None;
        }
        may_be_served.then_some(wait)
    }

    fn note_retry(&mut self, error: Error, took: Duration, wait: Duration) {
        let attempt = self.attempts.len() + 1;
        self.inner.tell(EventKind::Retried).error(&error).took(wait).warn(
            &[("attempt", attempt.into())],
            format_args!(
                "could not open a connection (attempt {attempt}): {}; next attempt in {}",
                error.summary(),
                human(wait)
            ),
        );
        self.inner.admission.count(|c| c.retries += 1);
        self.note_failure(error, took, Some(wait));
    }

    /// Of refusals that are waited out the first and the last are kept.
    fn note_wait_for_slot(&mut self, error: Error, took: Duration) {
        if self.waits_for_slot == 2 {
            self.attempts.pop();
            self.waits_for_slot -= 1;
        }
        self.waits_for_slot += 1;
        self.note_failure(error, took, None);
    }

    /// Keeps a failed opening, after which the call goes on.
    fn note_failure(&mut self, error: Error, took: Duration, wait: Option<Duration>) {
        self.attempts.push(error.to_attempt(took, wait));
        self.inner.remember_open_failure(&error);
        self.inner.admission.count(|c| c.failed(error.kind()));
        self.failure = Some(error);
    }

    fn give_up(mut self, error: Error, took: Duration) -> Error {
        let error = if self.budget_is_spent { error.with_note(BUDGET_IS_SPENT.to_owned()) } else { error };
        if error.kind() != ErrorKind::PoolClosed {
            self.attempts.push(error.to_attempt(took, None));
            self.inner.remember_open_failure(&error);
        }
        self.report(error)
    }

    /// The queue's deadline passed. After failed attempts those are the cause; otherwise every connection was busy.
    fn timed_out(mut self) -> Error {
        self.inner.admission.count(|c| c.timeouts += u64::from(self.failure.is_none()));
        if let Some(failure) = self.failure.take() {
            return self.report(failure);
        }
        let error = match self.inner.last_open_failure.lock().clone() {
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

    /// Waiting would have been of no use.
    fn shed(self, shed: Shed) -> Error {
        let message = match shed {
            Shed::QueueFull { waiting } => format!(
                "every connection is busy, and as many callers wait already as max_waiting allows: {waiting} of {}",
                self.inner.settings.max_waiting
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
        let (snapshot, _) = self.inner.admission.snapshot();
        self.inner.admission.count(|c| c.call_failed(error.kind()));
        let took = self.started.elapsed();
        let error = error.with_attempts(self.attempts).with_elapsed(took).with_snapshot(snapshot);
        self.inner.watch_from_now();
        if matches!(error.kind(), ErrorKind::PoolTimeout | ErrorKind::Overloaded) {
            let summary = error.summary();
            let told = self.inner.tell(EventKind::TimedOut).error(&error).took(took);
            told.debug(&[], format_args!("a call got no connection: {summary}"));
        }
        if matches!(error.kind(), ErrorKind::PoolTimeout | ErrorKind::ServerFull) {
            self.inner.explain_soon();
        }
        error
    }
}

impl Inner {
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
