//! What one pool has been asked to do by submission, and the threads that do it.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::completion_queue::{Edge, Urgency};
use super::connection_queue::Seat;
use super::notify::Callback;
use super::request::{Refused, Request, Ticket};
use super::scheduler::{Bed, Item, Schedule, Wake};
use super::statement_profile::{Habit, Habits};
use super::{coalesce, worker};
use crate::error::Error;
use crate::link::deferred::run_deferred;
use crate::pool::{Follower, Lender, WeakLender, closed};

/// A worker that has had nothing to do for so long ends.
const IDLE: Duration = if cfg!(test) { Duration::from_millis(500) } else { Duration::from_secs(5) };

/// What must not wait for a connection.
pub(super) enum Chore {
    /// Have the server cancel what runs for this request.
    Cancel(Arc<Request>),
    /// Call the program back, in the place of a thread of its own.
    Tell(Arc<Callback>),
    /// Answer what has waited for too long, or in vain.
    Sweep,
}

type Plan = Schedule<Chore, Arc<dyn Seat>, Ticket>;

struct State {
    plan: Plan,
    /// When the backlog is to be looked through for requests that have waited too long.
    alarm: Option<Instant>,
    closed: bool,
}

pub(crate) struct Executor {
    pool: WeakLender,
    state: Mutex<State>,
    habits: Habits,
    /// How many requests were sent together with others.
    #[cfg(test)]
    pub(super) sent_together: std::sync::atomic::AtomicUsize,
    me: Weak<Executor>,
}

/// What a worker that has a connection goes on with.
#[derive(Default)]
pub(super) struct Next {
    pub(super) item: Option<Item<Chore, Arc<dyn Seat>, Ticket>>,
    /// Requests that may travel with the first one.
    pub(super) with_it: Vec<Ticket>,
    /// How many requests are left in the backlog.
    pub(super) left: usize,
}

/// A request that could not be handed on, and why.
pub(super) type HandedBack = (Ticket, Refused);

impl Executor {
    /// The executor of a pool, made when it is first asked for.
    pub(crate) fn of(lender: &Lender) -> Arc<Self> {
        let mut is_new = false;
        let executor = lender.followed_by(|pool| {
            is_new = true;
            Arc::new_cyclic(|me| Self {
                pool,
                state: Mutex::new(State { plan: Plan::new(lender.max_size()), alarm: None, closed: false }),
                habits: Habits::default(),
                #[cfg(test)]
                sent_together: Default::default(),
                me: me.clone(),
            })
        });
        if is_new && lender.is_closed() {
            // It may have been closed before there was anything to tell.
            executor.state.lock().closed = true;
        }
        executor
    }

    /// Puts a request into the backlog.
    pub(super) fn submit(&self, ticket: Ticket, lender: &Lender) -> Result<(), HandedBack> {
        let (number, expires) = (ticket.shared(), ticket.request().expires());
        let mut state = self.state.lock();
        if state.closed {
            return Err((ticket, Refused::Closed(closed())));
        }
        let wake = state.plan.add_job(ticket);
        let alarm = state.alarm.is_none_or(|set| expires < set);
        if alarm {
            state.alarm = Some(expires);
        }
        drop(state);
        if alarm {
            self.set_alarm(lender, expires);
        }
        match self.wake(wake) {
            Ok(()) => Ok(()),
            Err(e) => self.withdraw(&number).map_or(Ok(()), |ticket| Err((ticket, Refused::NoThread(e)))),
        }
    }

    /// Puts a request at the end of what its connection has to do.
    pub(super) fn submit_on(&self, seat: &Arc<dyn Seat>, ticket: Ticket) -> Result<(), HandedBack> {
        let request = ticket.shared();
        match seat.sequence().push(&**seat, ticket) {
            Err(ticket) => Err((ticket, Refused::Busy)),
            Ok(false) => Ok(()),
            Ok(true) => {
                let wake = self.state.lock().plan.add_sequence(seat.clone());
                let Err(e) = self.wake(wake) else { return Ok(()) };
                let seat = self.state.lock().plan.take_out_sequence(|other| Arc::ptr_eq(other, seat));
                let ticket = seat.and_then(|seat| seat.sequence().give_up(&request));
                ticket.map_or(Ok(()), |ticket| Err((ticket, Refused::NoThread(e))))
            }
        }
    }

    /// Takes a request out of the backlog.
    pub(super) fn withdraw(&self, request: &Arc<Request>) -> Option<Ticket> {
        self.state.lock().plan.take_out(|ticket| ticket.is_for(request))
    }

    /// Has the program called back by a worker.
    pub(super) fn announce(&self, edge: Edge) {
        if let Some(callback) = edge {
            self.do_soon(Chore::Tell(callback));
        }
    }

    pub(super) fn deliver_cancel(&self, request: Arc<Request>) {
        self.do_soon(Chore::Cancel(request));
    }

    fn do_soon(&self, chore: Chore) {
        let wake = self.state.lock().plan.add_chore(chore);
        if let Err(e) = self.wake(wake) {
            log::warn!(target: "holdfast", "a queue could not start a thread: {e}");
        }
    }

    /// Fails when a thread was needed, could not be started, and there is no other.
    fn wake(&self, wake: Wake) -> std::io::Result<()> {
        match wake {
            Wake::Nobody => Ok(()),
            Wake::Sleeper(bed) => {
                bed.woken.notify_one();
                Ok(())
            }
            Wake::NewThread { seated } => self.start_worker(seated),
        }
    }

    #[cold]
    fn start_worker(&self, seated: bool) -> std::io::Result<()> {
        let Some(me) = self.me.upgrade() else { return Ok(()) };
        match worker::start(me, seated) {
            Ok(()) => {
                self.state.lock().plan.thread_started();
                Ok(())
            }
            Err(e) => {
                let others = self.state.lock().plan.thread_failed(seated);
                if others { Ok(()) } else { Err(e) }
            }
        }
    }

    /// What a worker is to do next. Sleeps until there is something; `None` when it is to end.
    pub(super) fn next(
        &self,
        bed: &Arc<Bed>,
        seated: &mut bool,
    ) -> Option<Item<Chore, Arc<dyn Seat>, Ticket>> {
        run_deferred();
        let mut state = self.state.lock();
        loop {
            if let Some(item) = state.plan.take(seated, false) {
                return Some(item);
            }
            if state.closed {
                state.plan.thread_ended();
                return None;
            }
            state.plan.lie_down(bed);
            let until = Instant::now() + IDLE;
            while !bed.is_called() {
                if bed.woken.wait_until(&mut state, until).timed_out() {
                    break;
                }
            }
            if !state.plan.get_up(bed, seated) {
                state.plan.thread_ended();
                return None;
            }
        }
    }

    /// The same for a worker that has a connection and would go on with it, without sleeping. If more requests wait than
    /// there are workers, it gets some of them at once.
    pub(super) fn go_on(&self, seated: &mut bool, may_travel: bool) -> Next {
        let travels = |ticket: &Ticket| ticket.request().habit().is_some_and(Habit::is_quick);
        let mut state = self.state.lock();
        let item = state.plan.take(seated, true);
        let mut with_it = Vec::new();
        if may_travel
            && let Some(Item::Job(first)) = &item
            && travels(first)
        {
            let share = state.plan.share().min(coalesce::MOST);
            while with_it.len() + 1 < share && state.plan.jobs.front().is_some_and(travels) {
                with_it.extend(state.plan.jobs.pop_front());
            }
        }
        Next { item, with_it, left: state.plan.jobs.len() }
    }

    pub(super) fn habits(&self) -> &Habits {
        &self.habits
    }

    pub(super) fn pool(&self) -> Result<Lender, Error> {
        self.pool.upgrade().ok_or_else(closed)
    }

    fn set_alarm(&self, lender: &Lender, at: Instant) {
        let me = self.me.clone();
        lender.after(at.saturating_duration_since(Instant::now()), move || {
            if let Some(executor) = me.upgrade() {
                executor.alarm_rings(at);
            }
        });
    }

    /// On the thread that keeps time.
    fn alarm_rings(&self, at: Instant) {
        let mut state = self.state.lock();
        // Else an earlier one was set since, which sees to what is left.
        if state.alarm == Some(at) {
            state.alarm = None;
            let wake = state.plan.add_chore(Chore::Sweep);
            drop(state);
            if let Err(e) = self.wake(wake) {
                log::warn!(target: "holdfast", "a queue could not start a thread: {e}");
            }
        }
    }

    /// On a worker: answers what has waited for too long, or all once the pool is closed.
    pub(super) fn sweep(&self) {
        let pool = self.pool.upgrade();
        let now = Instant::now();
        let mut state = self.state.lock();
        let all = state.closed || pool.is_none();
        let swept = state.plan.take_jobs(|ticket| all || ticket.request().expires() <= now);
        let next = state.plan.jobs.iter().map(|ticket| ticket.request().expires()).min();
        let alarm = next.filter(|next| state.alarm.is_none_or(|set| *next < set));
        if alarm.is_some() {
            state.alarm = alarm;
        }
        drop(state);
        if let (Some(pool), Some(at)) = (&pool, alarm) {
            self.set_alarm(pool, at);
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
    pub(super) fn figures(&self) -> (u32, u32, usize) {
        self.state.lock().plan.figures()
    }
}

impl Follower for Executor {
    fn pool_shuts(&self) {
        let mut state = self.state.lock();
        if std::mem::replace(&mut state.closed, true) {
            return;
        }
        let sleepers = state.plan.call_all();
        let wake = if state.plan.jobs.is_empty() { Wake::Nobody } else { state.plan.add_chore(Chore::Sweep) };
        drop(state);
        for bed in sleepers {
            bed.woken.notify_one();
        }
        if let Err(e) = self.wake(wake) {
            log::warn!(target: "holdfast", "a queue could not start a thread: {e}");
        }
    }
}
