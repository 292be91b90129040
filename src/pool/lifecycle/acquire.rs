//! Acquiring a connection: validates an idle one or opens a new one, and retries failed openings.
//!
//! Each attempt has a deadline (`connection_timeout`, over queueing and opening together); the call may have one over
//! all attempts. A thread backs off in the queue, where it is handed any connection that comes free.

use std::cell::Cell;
use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::open::OPEN_IN_BACKGROUND_BELOW;
use crate::error::{Attempt, Error};
use crate::observe::checkout::Place;
use crate::observe::event::EventKind;
use crate::pool::admission::{Denied, Grant, Request, Shed};
use crate::pool::connection::server_connection::Parked;
use crate::pool::connection::validation::Validation;
use crate::pool::core::{Core, pool_closed};
use crate::pool::guards::{Capacity, Granted};
use crate::pool::pooled_connection::PooledConnection;

/// The shortest wait that is reported. Below it the caller passed the queue without waiting.
const MIN_REPORTED_WAIT: Duration = Duration::from_millis(1);

/// Longer than any call lasts.
pub(super) const LONGEST_WAIT_24H: Duration = Duration::from_secs(24 * 3600);

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

/// A call for a connection, from its first attempt to its last.
pub(super) struct Acquisition<'a> {
    pub(super) core: &'a Arc<Core>,
    pub(super) call: Call,
    pub(super) started: Instant,
    pub(super) end: Option<Instant>,
    pub(super) attempts: Vec<Attempt>,
    /// The number of attempts that a full server refused and that were waited out.
    pub(super) waits_for_slot: u32,
    /// The last failure to open, as it will be reported if no retry follows.
    pub(super) failure: Option<Error>,
    /// Another attempt was due, but the pool's retry budget was spent.
    pub(super) budget_is_spent: bool,
    /// The call waited in the queue.
    pub(super) queued: Cell<bool>,
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
            Granted::Refused => match self.core.fail_or_ask_again(request.deadline) {
                None => Pass::Again,
                Some(error) => Pass::failed(error),
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
}

fn time_left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}
