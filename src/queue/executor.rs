//! The executor of one pool: the submitted requests, and the worker threads that serve them.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crate::sys::sync::Mutex;

use super::completion_queue::{PendingCallback, Urgency};
use super::connection_queue::HeldConnection;
use super::notify::Callback;
use super::request::{Rejected, Request, Ticket};
use super::scheduler::{Item, Parker, Permit, Schedule, Wake};
use super::statement_profile::{StatementProfile, StatementProfiles};
use super::{coalesce, worker};
use crate::error::Error;
use crate::link::deferred::run_deferred;
use crate::pool::{Backlog, CheckoutHandle, Follower, WeakCheckoutHandle, closed};

/// A worker ends after this long without work.
const WORKER_IDLE_LIMIT: Duration =
    if cfg!(test) { Duration::from_millis(500) } else { Duration::from_secs(5) };

/// Work that must not wait for a connection.
pub(super) enum Chore {
    /// Send a cancel request for this running request.
    Cancel(Arc<Request>),
    /// Run the program's callback.
    Callback(Arc<Callback>),
    /// Answer the requests that timed out, or that were left when the pool closed.
    Sweep,
    /// Close the pool.
    Close(Ticket),
}

type Plan = Schedule<Chore, Arc<dyn HeldConnection>, Ticket>;

struct State {
    plan: Plan,
    /// The time of the next sweep of the backlog for requests that timed out.
    sweep_at: Option<Instant>,
    closed: bool,
}

impl State {
    /// Reports the jobs that wait, as waiters of the pool. To be called after every change of the list of jobs.
    fn report_backlog(&self, backlog: &Backlog) {
        let waiting = self.plan.waiting_jobs();
        let oldest = self.plan.jobs.front().filter(|_| waiting > 0);
        backlog.set(waiting, oldest.map(|ticket| ticket.request().asked().since));
    }
}

pub(crate) struct Executor {
    pool: WeakCheckoutHandle,
    state: Mutex<State>,
    /// The number and age of the jobs that wait, as the pool reports them.
    backlog: Arc<Backlog>,
    profiles: StatementProfiles,
    /// Number of requests that were coalesced with others.
    #[cfg(test)]
    pub(super) coalesced_total: std::sync::atomic::AtomicUsize,
    me: Weak<Executor>,
}

/// The next work for a worker that keeps its connection.
#[derive(Default)]
pub(super) struct Next {
    pub(super) item: Option<Item<Chore, Arc<dyn HeldConnection>, Ticket>>,
    /// Requests to be coalesced with the first one.
    pub(super) coalesced: Vec<Ticket>,
    /// Number of requests left in the backlog.
    pub(super) left: usize,
}

/// A request that the executor could not accept, with the reason.
pub(super) type HandedBack = (Ticket, Rejected);

impl Executor {
    /// Returns the executor of a pool, created on first use.
    pub(crate) fn of(handle: &CheckoutHandle) -> Arc<Self> {
        let mut is_new = false;
        let executor = handle.followed_by(|pool| {
            is_new = true;
            Arc::new_cyclic(|me| Self {
                pool,
                state: Mutex::new(State {
                    plan: Plan::new(handle.max_size()),
                    sweep_at: None,
                    closed: false,
                }),
                backlog: handle.backlog(),
                profiles: StatementProfiles::default(),
                #[cfg(test)]
                coalesced_total: Default::default(),
                me: me.clone(),
            })
        });
        if is_new && handle.is_closed() {
            // The pool may have closed before the executor existed to be notified.
            executor.state.lock().closed = true;
        }
        executor
    }

    /// Puts a request into the backlog.
    pub(super) fn submit(&self, ticket: Ticket, handle: &CheckoutHandle) -> Result<(), HandedBack> {
        let (number, expires) = (ticket.shared(), ticket.request().expires());
        let mut state = self.state.lock();
        if state.closed {
            return Err((ticket, Rejected::Closed(closed())));
        }
        if !state.plan.has_free_permit()
            && let Some(shed) = handle.sheds_submission()
        {
            drop(state);
            let error = handle.shed(ticket.request().asked(), shed);
            return Err((ticket, Rejected::Shed(error)));
        }
        let wake = state.plan.add_job(ticket);
        state.report_backlog(&self.backlog);
        let sweep_at = state.sweep_at.is_none_or(|set| expires < set);
        if sweep_at {
            state.sweep_at = Some(expires);
        }
        drop(state);
        if sweep_at {
            self.schedule_sweep(handle, expires);
        }
        match self.wake(wake) {
            Ok(()) => Ok(()),
            Err(e) => self.withdraw(&number).map_or(Ok(()), |ticket| Err((ticket, Rejected::NoThread(e)))),
        }
    }

    /// Has a worker close the pool, also when it is closed already. It is a chore: no job is awaited, whose connections the closing
    /// waits for.
    pub(super) fn submit_close(&self, ticket: Ticket) -> Result<(), HandedBack> {
        let request = ticket.shared();
        let wake = self.state.lock().plan.add_chore(Chore::Close(ticket));
        let Err(e) = self.wake(wake) else { return Ok(()) };
        let is_it = |chore: &Chore| matches!(chore, Chore::Close(ticket) if ticket.is_for(&request));
        match self.state.lock().plan.remove_chore(is_it) {
            Some(Chore::Close(ticket)) => Err((ticket, Rejected::NoThread(e))),
            _ => Ok(()),
        }
    }

    /// Appends a request to the queue of its held connection.
    pub(super) fn submit_on(&self, held: &Arc<dyn HeldConnection>, ticket: Ticket) -> Result<(), HandedBack> {
        let request = ticket.shared();
        match held.connection_queue().push(&**held, ticket) {
            Err(ticket) => Err((ticket, Rejected::Busy)),
            Ok(false) => Ok(()),
            Ok(true) => {
                let wake = self.state.lock().plan.add_held(held.clone());
                let Err(e) = self.wake(wake) else { return Ok(()) };
                let held = self.state.lock().plan.remove_held(|other| Arc::ptr_eq(other, held));
                let ticket = held.and_then(|held| held.connection_queue().give_up(&request));
                ticket.map_or(Ok(()), |ticket| Err((ticket, Rejected::NoThread(e))))
            }
        }
    }

    /// Takes a request out of the backlog.
    pub(super) fn withdraw(&self, request: &Arc<Request>) -> Option<Ticket> {
        let mut state = self.state.lock();
        let ticket = state.plan.remove_job(|ticket| ticket.is_for(request));
        state.report_backlog(&self.backlog);
        ticket
    }

    /// Has a worker run the program's callback.
    pub(super) fn announce(&self, callback: PendingCallback) {
        if let Some(callback) = callback {
            self.do_soon(Chore::Callback(callback));
        }
    }

    pub(super) fn deliver_cancel(&self, request: Arc<Request>) {
        self.do_soon(Chore::Cancel(request));
    }

    fn do_soon(&self, chore: Chore) {
        let wake = self.state.lock().plan.add_chore(chore);
        self.wake_or_warn(wake);
    }

    fn wake_or_warn(&self, wake: Wake) {
        if let Err(e) = self.wake(wake) {
            log::warn!(target: "holdfast", "a queue could not start a thread: {e}");
        }
    }

    /// Wakes or starts a worker. Fails when a thread was needed, could not be started, and there is no other.
    fn wake(&self, wake: Wake) -> std::io::Result<()> {
        match wake {
            Wake::NotNeeded => Ok(()),
            Wake::Parked(parker) => {
                parker.woken.notify_one();
                Ok(())
            }
            Wake::NewThread { permit } => self.start_worker(permit),
        }
    }

    #[cold]
    fn start_worker(&self, permit: Permit) -> std::io::Result<()> {
        let Some(me) = self.me.upgrade() else { return Ok(()) };
        match worker::start(me, permit) {
            Ok(()) => {
                self.state.lock().plan.thread_started();
                Ok(())
            }
            Err(e) => {
                let mut state = self.state.lock();
                let others = state.plan.thread_failed(permit);
                state.report_backlog(&self.backlog);
                drop(state);
                if others { Ok(()) } else { Err(e) }
            }
        }
    }

    /// Returns the next item for a worker, blocking until there is one; `None` when the worker is to end.
    pub(super) fn next(
        &self,
        parker: &Arc<Parker>,
        permit: &mut Permit,
    ) -> Option<Item<Chore, Arc<dyn HeldConnection>, Ticket>> {
        run_deferred();
        let mut state = self.state.lock();
        loop {
            if let Some(item) = state.plan.take(permit, false) {
                state.report_backlog(&self.backlog);
                return Some(item);
            }
            if state.closed {
                state.plan.thread_ended();
                return None;
            }
            state.plan.park(parker);
            let until = Instant::now() + WORKER_IDLE_LIMIT;
            while !parker.is_woken() {
                if parker.woken.wait_until(&mut state, until).timed_out() {
                    break;
                }
            }
            if !state.plan.unpark(parker, permit) {
                state.plan.thread_ended();
                return None;
            }
        }
    }

    /// Counts a worker no more whose thread was ended from within, and replaces it if there is work.
    pub(super) fn lose_worker(&self, permit: &mut Permit) {
        let wake = self.state.lock().plan.thread_lost(permit);
        self.wake_or_warn(wake);
    }

    /// Returns the next work for a worker that keeps its connection, without blocking. If more requests wait than there are
    /// workers, it gets several to coalesce.
    pub(super) fn next_for_checkout(&self, permit: &mut Permit, may_coalesce: bool) -> Next {
        let is_short = |ticket: &Ticket| ticket.request().profile().is_some_and(StatementProfile::is_short);
        let mut state = self.state.lock();
        let item = state.plan.take(permit, true);
        let mut coalesced = Vec::new();
        if may_coalesce
            && let Some(Item::Job(first)) = &item
            && is_short(first)
        {
            let share = state.plan.share().min(coalesce::MAX_REQUESTS);
            while coalesced.len() + 1 < share && state.plan.jobs.front().is_some_and(is_short) {
                coalesced.extend(state.plan.jobs.pop_front());
            }
        }
        state.report_backlog(&self.backlog);
        Next { item, coalesced, left: state.plan.jobs.len() }
    }

    pub(super) fn profiles(&self) -> &StatementProfiles {
        &self.profiles
    }

    pub(super) fn pool(&self) -> Result<CheckoutHandle, Error> {
        self.pool.upgrade().ok_or_else(closed)
    }

    fn schedule_sweep(&self, handle: &CheckoutHandle, at: Instant) {
        let me = self.me.clone();
        handle.after(at.saturating_duration_since(Instant::now()), move || {
            if let Some(executor) = me.upgrade() {
                executor.sweep_due(at);
            }
        });
    }

    /// Queues the sweep that is due, on the timer thread.
    fn sweep_due(&self, at: Instant) {
        let mut state = self.state.lock();
        // Else an earlier sweep was scheduled since, which covers the rest.
        if state.sweep_at == Some(at) {
            state.sweep_at = None;
            let wake = state.plan.add_chore(Chore::Sweep);
            drop(state);
            self.wake_or_warn(wake);
        }
    }

    /// On a worker: answers what has waited for too long, or all once the pool is closed.
    pub(super) fn sweep(&self) {
        let pool = self.pool.upgrade();
        let now = Instant::now();
        let mut state = self.state.lock();
        let all = state.closed || pool.is_none();
        let swept = state.plan.take_jobs(|ticket| all || ticket.request().expires() <= now);
        state.report_backlog(&self.backlog);
        let next = state.plan.jobs.iter().map(|ticket| ticket.request().expires()).min();
        let sweep_at = next.filter(|next| state.sweep_at.is_none_or(|set| *next < set));
        if sweep_at.is_some() {
            state.sweep_at = sweep_at;
        }
        drop(state);
        if let (Some(pool), Some(at)) = (&pool, sweep_at) {
            self.schedule_sweep(pool, at);
        }
        for ticket in swept {
            let error = match &pool {
                Some(pool) if !all => pool.timed_out(ticket.request().asked()),
                _ => closed(),
            };
            ticket.done(Err(error.into())).deliver(Urgency::Now);
        }
    }

    #[cfg(test)]
    pub(super) fn counts(&self) -> (u32, u32, usize) {
        self.state.lock().plan.counts()
    }
}

impl Follower for Executor {
    fn pool_resized(&self) {
        let Some(pool) = self.pool.upgrade() else { return };
        let mut state = self.state.lock();
        // Under the lock, so that the last of several changes counts.
        let wakes = state.plan.set_job_permits(pool.max_size());
        state.report_backlog(&self.backlog);
        drop(state);
        for wake in wakes {
            self.wake_or_warn(wake);
        }
    }

    fn pool_shuts(&self) {
        let mut state = self.state.lock();
        if std::mem::replace(&mut state.closed, true) {
            return;
        }
        let sleepers = state.plan.wake_all();
        let wake =
            if state.plan.jobs.is_empty() { Wake::NotNeeded } else { state.plan.add_chore(Chore::Sweep) };
        drop(state);
        for parker in sleepers {
            parker.woken.notify_one();
        }
        self.wake_or_warn(wake);
    }
}
