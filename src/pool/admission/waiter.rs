//! A waiter: a thread in the queue, from its entry to its grant.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::sys::sync::{Condvar, Mutex, MutexGuard};

use super::{Admission, Denied, Grant, Pooled, Request, State};

pub(super) struct Waiter<P> {
    pub(super) since: Instant,
    pub(super) deadline: Instant,
    /// The time until which this waiter takes connections that come free but opens none (it backs off after a failure).
    pub(super) opens_from: Option<Instant>,
    /// `opens_from` is a backoff after a failed opening, which ends early when the server is back.
    pub(super) backs_off: bool,
    pub(super) queued: Instant,
    /// This waiter is on its way: a connection is on the idle stack, or was, and it is to take it. Changed under the lock of the
    /// state only.
    pub(super) nudged: AtomicBool,
    pub(super) mailbox: Mutex<Option<Grant<P>>>,
    pub(super) arrived: Condvar,
}

impl<P> Waiter<P> {
    /// Sleeps until a grant or a nudge comes, or the time has. Returns the grant.
    fn rest(&self, until: Instant) -> Option<Grant<P>> {
        let mut mailbox = self.mailbox.lock();
        while mailbox.is_none() && !self.is_nudged() {
            if self.arrived.wait_until(&mut mailbox, until).timed_out() {
                break;
            }
        }
        mailbox.take()
    }

    /// Sleeps for a moment, or until a grant comes. For a waiter that is on its way still.
    fn rest_briefly(&self, until: Instant) -> Option<Grant<P>> {
        let mut mailbox = self.mailbox.lock();
        if mailbox.is_none() {
            let left = until.saturating_duration_since(Instant::now());
            self.arrived.wait_for(&mut mailbox, left.min(LOOK_AGAIN_AFTER));
        }
        mailbox.take()
    }

    pub(super) fn is_nudged(&self) -> bool {
        self.nudged.load(Relaxed)
    }

    /// Wakes a waiter that was nudged. Locks the mailbox once, so that a waiter that has just found nothing is asleep by then.
    pub(super) fn wake(&self) {
        drop(self.mailbox.lock());
        self.arrived.notify_one();
    }
}

/// The time after which a waiter that found nothing looks again. Where threads take their connection again as soon as they have
/// given it back, a waiter that every return wakes finds nothing nearly every time, and two switches of context are a third of
/// the time of a query.
const LOOK_AGAIN_AFTER: Duration = Duration::from_micros(500);

impl<P: Pooled> State<P> {
    /// Has a waiter that was nudged and found nothing look again by itself, so that the next return wakes nobody; unless another
    /// is on its way.
    fn found_nothing(&self, waiter: &Arc<Waiter<P>>) {
        if waiter.is_nudged()
            && self.waiters.iter().any(|other| other.is_nudged() && !Arc::ptr_eq(other, waiter))
        {
            waiter.nudged.store(false, Relaxed);
        }
    }
}

impl<P: Pooled> Admission<P> {
    /// Waits in the queue until this thread is granted something.
    pub(in crate::pool) fn wait(&self, request: Request) -> Result<Grant<P>, Denied> {
        let mut state = self.state.lock();
        if state.closed {
            return Ok(Grant::Closed);
        }
        let now = Instant::now();
        let backing_off = request.opens_from.is_some_and(|from| from > now);
        if (!state.hands_over() || state.waiters.front().is_some_and(|w| w.since > request.since))
            && let Some(parked) = state.take_idle()
        {
            return Ok(state.check_out(parked));
        }
        let census_until = state.gate.census_until(now);
        if state.has_capacity() && !backing_off && census_until.is_none() {
            state.opening += 1;
            return Ok(Grant::Capacity);
        }
        if state.refuses_all() {
            return Ok(Grant::Refused);
        }
        let place = state.waiters.partition_point(|w| w.since <= request.since);
        if request.is_new
            && let Some(shed) = state.shed(place, now, request.deadline)
        {
            state.counters.shed += 1;
            return Err(Denied::Shed(shed));
        }
        if state.waiters.is_empty() {
            state.pace.begin();
        }
        state.counters.waits += 1;
        let waiter = Arc::new(Waiter {
            since: request.since,
            deadline: request.deadline,
            opens_from: request.opens_from.max(census_until),
            backs_off: request.backs_off,
            queued: Instant::now(),
            nudged: AtomicBool::new(false),
            mailbox: Mutex::new(None),
            arrived: Condvar::new(),
        });
        state.waiters.insert(place, waiter.clone());
        let nudged = state.next_to_nudge();
        drop(state);
        if let Some(waiter) = nudged {
            waiter.wake();
        }
        self.sleep(&waiter, request.deadline)
    }

    fn sleep(&self, waiter: &Arc<Waiter<P>>, deadline: Instant) -> Result<Grant<P>, Denied> {
        // A waiter that backs off wakes once more, to open.
        let mut turn_to_open = waiter.opens_from.filter(|from| *from < deadline);
        let mut looks_again = false;
        loop {
            let until = turn_to_open.unwrap_or(deadline);
            let granted = if looks_again { waiter.rest_briefly(until) } else { waiter.rest(until) };
            if let Some(grant) = granted {
                return Ok(grant);
            }
            if let Some(outcome) = self.serve_after_wakeup(waiter, deadline) {
                return outcome;
            }
            looks_again = waiter.is_nudged();
            if turn_to_open.is_some_and(|from| from <= Instant::now()) {
                turn_to_open = None;
            }
        }
    }

    /// Serves the first waiters, and this one if possible, after it woke by a nudge or by time.
    fn serve_after_wakeup(
        &self,
        waiter: &Arc<Waiter<P>>,
        deadline: Instant,
    ) -> Option<Result<Grant<P>, Denied>> {
        let mut state = self.state.lock();
        let now = Instant::now();
        // The first waiter takes the idle connection, even if another was quicker to wake.
        while let (Some(first), false) = (state.waiters.front().cloned(), state.idle.is_empty()) {
            let Some(parked) = state.idle.pop() else { break };
            state.waiters.pop_front();
            state.pace.turn(now);
            let grant = state.check_out(parked);
            if Arc::ptr_eq(&first, waiter) {
                return Some(Ok(grant));
            }
            *first.mailbox.lock() = Some(grant);
            first.arrived.notify_one();
        }
        if let Some(grant) = waiter.mailbox.lock().take() {
            return Some(Ok(grant));
        }
        if state.has_capacity() && state.may_open(waiter, now) {
            state.remove(waiter);
            state.pace.turn(now);
            state.opening += 1;
            return Some(Ok(Grant::Capacity));
        }
        if now >= deadline {
            state.remove(waiter);
            return Some(Err(Denied::TimedOut));
        }
        state.found_nothing(waiter);
        None
    }

    #[cold]
    pub(super) fn serve_waiters(&self, mut state: MutexGuard<'_, State<P>>, parked: P) {
        let aged = if state.hands_over() { state.waiters.pop_front() } else { None };
        match &aged {
            Some(first) => {
                state.pace.turn(Instant::now());
                let grant = state.check_out(parked);
                *first.mailbox.lock() = Some(grant);
            }
            None => state.put_idle(parked),
        }
        let nudged = state.next_to_nudge();
        drop(state);
        if let Some(waiter) = aged {
            waiter.arrived.notify_one();
        }
        if let Some(waiter) = nudged {
            waiter.wake();
        }
    }
}
