//! Admission: decides which caller gets a connection next.
//!
//! A lock guards the parts that must agree: the idle stack, the queue, the counts. It is held for pointer moves only.
//!
//! The rule is "aged hand-over". A connection that comes back is put on the idle stack, where the next thread to come may take it,
//! and the first waiter is woken to take it if it can: most of the time no thread sleeps needlessly. A waiter that was woken in
//! vain looks again by itself every half millisecond, instead of being woken by every return. But once the first waiter has waited
//! for [`HAND_OVER_AFTER`], the next connection that comes back is handed to it directly and no newcomer is let past. (64 threads
//! on 8 connections, bare: newcomers first 72,000 queries/s and 350 ms of waiting; strict order 47,000/s and 18 ms; this rule
//! 65,000/s and 18 ms.)
//!
//! What the queue itself costs shows on one CPU: there 64 threads reach 0.94 of the rate of 8 threads that never wait. On two it is
//! 0.5 to 0.8, by where the kernel places threads and the processes of the server, which wake each other. Nothing that was tried in
//! the choice of the waiter changes that: the one that used this connection last, or slept on the CPU of the thread that gives the
//! connection back, or on that of the server's process (`SO_INCOMING_CPU`). Nor does a longer age than 5 ms, which waiters pay for.
//!
//! The invariants, under the lock:
//! - `live` counts every connection that the server may still see: idle, in use, opening, departing; nothing is opened unless
//!   `live < limit`, which is `max_size`, or lower where the server is full; what exceeds a lowered `max_size` is never idle;
//! - while capacity is free, no waiter that would open a connection waits;
//! - a grant is given under the lock and taken under the lock. A waiter that gives up either has one and uses it, or is gone
//!   from the queue: nothing is lost.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crate::sys::sync::{Condvar, Mutex};

use super::telemetry::stats::{CloseReason, Counters};
use crate::error::PoolSnapshot;
use crate::resilience::effective_limit::EffectiveLimit;
use crate::sys::clock::Tick;

/// The age from which a waiter is served before any newcomer.
pub(super) const HAND_OVER_AFTER: Duration = Duration::from_millis(5);

/// A connection as the queue sees it: so little of it that the queue's tests need no server.
pub(super) trait Pooled {
    /// Returns whether this thread gave it back a moment ago.
    fn was_just_used_here(&self) -> bool;

    /// Returns the end of its last use.
    fn idle_since(&self) -> Tick;

    /// Records the count that includes it from now on. Called under the lock, together with the change of the counts.
    fn counts_as(&mut self, account: Account);

    /// Returns the count that was recorded last.
    fn account(&self) -> Account;
}

/// The count that a connection is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Account {
    /// No count of its own yet: the capacity for its opening counts.
    Opening,
    Idle,
    /// Checked out.
    InUse,
    /// In use by the pool itself, for a question of its own or to be brought to rest. Counts as in use.
    PoolUse(Releases),
    Departing,
}

/// The grant to a thread that asked for a connection.
pub(super) enum Grant<P> {
    Connection(P),
    /// The right to open a connection; counted as opening until it is used or given back.
    Capacity,
    /// The server refuses this pool permanently, and there is no connection to wait for.
    Refused,
    Closed,
}

/// The reason why a thread got nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Denied {
    TimedOut,
    Shed(Shed),
}

pub(super) struct State<P> {
    idle: Vec<P>,
    /// The waiters, in order of arrival.
    waiters: VecDeque<Arc<Waiter<P>>>,
    in_use: u32,
    opening: u32,
    departing: u32,
    limit: EffectiveLimit,
    gate: Gate,
    /// The largest number of waiters; 0 for any number.
    max_waiting: u32,
    backlog: Arc<Backlog>,
    pace: load_shedding::Pace,
    closed: bool,
    /// The number of times that all idle connections were released.
    releases: Releases,
    /// The number of connections that the pool itself uses.
    pool_use: u32,
    /// Those among them that it used when the idle ones were released: they are released as soon as it has done with them.
    to_release: u32,
    pub(super) counters: Counters,
}

impl<P: Pooled> State<P> {
    fn live(&self) -> u32 {
        self.idle.len() as u32 + self.in_use + self.opening + self.departing
    }

    /// Returns the number of waiters: threads, and requests in the backlog.
    fn waiting(&self) -> u32 {
        (self.waiters.len() as u32).saturating_add(self.backlog.waiting())
    }

    /// Returns the number of idle and used connections, without opening and departing ones.
    fn held(&self) -> u32 {
        self.idle.len() as u32 + self.in_use
    }

    fn has_capacity(&self) -> bool {
        self.limit.may_open(self.live(), Instant::now()) && self.gate.lets_open(self.opening)
    }

    fn may_open(&self, waiter: &Waiter<P>, now: Instant) -> bool {
        waiter.opens_from.is_none_or(|from| from <= now)
            || (waiter.backs_off && self.gate.was_opened_since(waiter.queued))
    }

    /// Returns whether the first waiter has waited so long that no newcomer may be served before it.
    fn hands_over(&self) -> bool {
        self.waiters.front().is_some_and(|w| w.since.elapsed() >= HAND_OVER_AFTER)
    }

    /// Takes the connection used last, so that surplus ones grow old. But a thread that gave one back a moment ago gets that one
    /// again: its server process is warm on a CPU nearby, while threads that swap connections at every checkout keep moving
    /// each other's processes across the machine.
    #[inline]
    fn take_idle(&mut self) -> Option<P> {
        if self.idle.len() > 1
            && let Some(own) = self.idle.iter().rposition(P::was_just_used_here)
        {
            return Some(self.idle.remove(own));
        }
        self.idle.pop()
    }

    fn check_out(&mut self, mut parked: P) -> Grant<P> {
        parked.counts_as(Account::InUse);
        self.in_use += 1;
        self.counters.gets += 1;
        Grant::Connection(parked)
    }

    fn put_idle(&mut self, mut parked: P) {
        parked.counts_as(Account::Idle);
        self.idle.push(parked);
    }

    fn remove(&mut self, waiter: &Arc<Waiter<P>>) {
        if let Some(position) = self.waiters.iter().position(|w| Arc::ptr_eq(w, waiter)) {
            self.waiters.remove(position);
        }
    }

    /// Picks the next waiter to wake, so that woken waiters never number fewer than idle connections. Every event adds one
    /// idle connection or takes one woken waiter away, so one more is enough.
    fn next_to_nudge(&self) -> Option<Arc<Waiter<P>>> {
        if self.idle.is_empty() || self.waiters.is_empty() {
            return None;
        }
        // Woken waiters are mostly the first in the queue, so this ends soon.
        let (mut on_their_way, mut sleeper) = (0, None);
        for waiter in &self.waiters {
            if waiter.is_nudged() {
                on_their_way += 1;
                if on_their_way >= self.idle.len() {
                    return None;
                }
            } else {
                sleeper = sleeper.or(Some(waiter));
            }
        }
        let sleeper = sleeper?;
        sleeper.nudged.store(true, Relaxed);
        Some(sleeper.clone())
    }

    fn first_that_may_open(&self) -> Option<usize> {
        let now = Instant::now();
        self.waiters.iter().position(|w| self.may_open(w, now))
    }
}

/// The queue and the idle stack of one pool.
pub(super) struct Admission<P> {
    state: Mutex<State<P>>,
    backlog: Arc<Backlog>,
    /// Signalled whenever a checkout, an opening or a departure ends; `close` waits for it.
    drained: Condvar,
}

/// The request of a thread for a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request {
    /// The time of the first request: the place in the queue, which a retry keeps.
    pub(super) since: Instant,
    pub(super) deadline: Instant,
    pub(super) opens_from: Option<Instant>,
    /// `opens_from` is a backoff, which ends early when the server is back.
    pub(super) backs_off: bool,
    /// The thread has not been let into the queue yet, and may be shed.
    pub(super) is_new: bool,
}

impl<P: Pooled> Admission<P> {
    pub(super) fn new(max_size: u32, limit: EffectiveLimit) -> Self {
        let backlog = Arc::<Backlog>::default();
        let state = State {
            idle: Vec::with_capacity(max_size as usize),
            waiters: VecDeque::new(),
            in_use: 0,
            opening: 0,
            departing: 0,
            limit,
            gate: Gate::default(),
            max_waiting: 0,
            backlog: backlog.clone(),
            pace: load_shedding::Pace::default(),
            closed: false,
            releases: Releases::default(),
            pool_use: 0,
            to_release: 0,
            counters: Counters::default(),
        };
        Self { state: Mutex::new(state), backlog, drained: Condvar::new() }
    }

    /// Takes an idle connection, if one is free and no aged waiter comes first. Never waits.
    pub(super) fn try_idle(&self) -> Option<Grant<P>> {
        let mut state = self.state.lock();
        if state.closed {
            return Some(Grant::Closed);
        }
        if state.hands_over() {
            return None;
        }
        let parked = state.take_idle()?;
        Some(state.check_out(parked))
    }

    /// Returns whether a connection should come back instead of being kept for more work: callers wait, the pool was closed, or
    /// it exceeds a lowered `max_size`.
    #[cfg(feature = "capi")]
    pub(super) fn is_wanted(&self) -> bool {
        let state = self.state.lock();
        state.closed || !state.waiters.is_empty() || state.surplus() > 0
    }

    /// Parks a connection that is ready for the next caller. Returns it, with the reason, if it has to be closed.
    #[inline]
    pub(super) fn park(&self, parked: P) -> Option<(P, CloseReason)> {
        self.end_use(parked, State::put_idle)
    }

    /// Has `put` put a connection among the idle ones, or hands it to a waiter.
    #[inline]
    fn end_use(&self, parked: P, put: impl FnOnce(&mut State<P>, P)) -> Option<(P, CloseReason)> {
        let mut state = self.state.lock();
        if let Some(reason) = state.keeps_none() {
            return Some((parked, reason));
        }
        let account = parked.account();
        if state.waiters.is_empty() {
            if state.was_released(account) {
                return Some((parked, CloseReason::Released));
            }
            state.ends_use(account);
            put(&mut state, parked);
        } else {
            state.ends_use(account);
            self.serve_waiters(state, parked);
            // It may have been awaited, to be released.
            if matches!(account, Account::PoolUse(_)) {
                self.drained.notify_all();
            }
        }
        None
    }

    /// Gives the capacity of a failed opening to the next waiter.
    pub(super) fn opening_failed(&self) {
        self.free_capacity(|state| state.opening -= 1);
    }

    fn free_capacity(&self, change: impl FnOnce(&mut State<P>)) {
        let mut state = self.state.lock();
        change(&mut state);
        let mut answered = Vec::new();
        while state.has_capacity()
            && !state.closed
            && let Some(waiter) = state.first_that_may_open().and_then(|next| state.waiters.remove(next))
        {
            state.pace.turn(Instant::now());
            state.opening += 1;
            *waiter.mailbox.lock() = Some(Grant::Capacity);
            answered.push(waiter);
        }
        if state.refuses_all() {
            for waiter in state.waiters.drain(..) {
                *waiter.mailbox.lock() = Some(Grant::Refused);
                answered.push(waiter);
            }
        }
        // A waiter that may open now may have been on its way to an idle connection.
        let nudged = state.next_to_nudge();
        drop(state);
        self.drained.notify_all();
        for waiter in answered {
            waiter.arrived.notify_one();
        }
        if let Some(waiter) = nudged {
            waiter.wake();
        }
    }

    /// Takes the idle connections that `pick` chooses; they count as departing from here on.
    pub(super) fn take_idle(
        &self,
        mut pick: impl FnMut(&P) -> bool,
        count: impl Fn(&mut Counters),
    ) -> Vec<P> {
        let mut state = self.state.lock();
        let (picked, kept) = std::mem::take(&mut state.idle).into_iter().partition(|p| pick(p));
        state.idle = kept;
        let mut picked: Vec<P> = picked;
        picked.iter_mut().for_each(|parked| state.departs(parked));
        if !picked.is_empty() {
            state.gave_up_connection();
        }
        for _ in &picked {
            count(&mut state.counters);
        }
        picked
    }

    /// Calls `look` with every idle connection, the longest idle first.
    pub(super) fn inspect_idle<T>(&self, look: impl FnMut(&P) -> T) -> Vec<T> {
        self.state.lock().idle.iter().map(look).collect()
    }

    /// Refuses all callers from now on and wakes all waiters. Returns `false` when it was closed already.
    pub(super) fn close(&self) -> bool {
        let mut state = self.state.lock();
        if std::mem::replace(&mut state.closed, true) {
            return false;
        }
        let waiters = std::mem::take(&mut state.waiters);
        for waiter in &waiters {
            *waiter.mailbox.lock() = Some(Grant::Closed);
        }
        drop(state);
        for waiter in waiters {
            waiter.arrived.notify_one();
        }
        true
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state.lock().closed
    }

    /// Returns all gauges and counters as of one moment.
    pub(super) fn snapshot(&self) -> (PoolSnapshot, Counters) {
        let (state, now) = (self.state.lock(), Instant::now());
        let fleet = state.limit.figures(now);
        let gauges = PoolSnapshot {
            max_size: state.limit.most(),
            limit: state.limit.now(now),
            limited_by: state.limit.limited_by(now),
            fleet_share: fleet.map(|fleet| fleet.share),
            fleet_peers: fleet.map(|fleet| fleet.peers),
            total: state.live(),
            idle: state.idle.len() as u32,
            in_use: state.in_use,
            opening: state.opening,
            waiting: state.waiting(),
        };
        (gauges, state.counters.clone())
    }

    /// Returns how long the first waiter has waited.
    pub(super) fn oldest_waiter(&self) -> Option<Duration> {
        let first = self.state.lock().waiters.front().map(|waiter| waiter.since.elapsed());
        first.max(self.backlog.oldest())
    }

    /// Returns the number of checkouts so far.
    pub(super) fn checkouts(&self) -> u64 {
        self.state.lock().counters.gets
    }

    /// Changes counters only.
    pub(super) fn count(&self, change: impl FnOnce(&mut Counters)) {
        change(&mut self.state.lock().counters);
    }
}

mod backlog;
mod drain;
mod fleet_share;
mod learned_limit;
mod load_shedding;
mod open_gate;
mod pool_use;
mod sizes;
#[cfg(test)]
mod tests;
mod waiter;

#[cfg(feature = "capi")]
pub(crate) use backlog::Backlog;
#[cfg(not(feature = "capi"))]
use backlog::Backlog;
pub(super) use fleet_share::{IdleAction, MIN_TIMER_DELAY, NextRebalance, Returned};
pub(super) use learned_limit::Learned;
pub(crate) use load_shedding::Shed;
pub(super) use open_gate::Asking;
use open_gate::Gate;
pub(super) use pool_use::Releases;
pub(super) use sizes::ForMinIdle;
use waiter::Waiter;
