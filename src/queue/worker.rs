//! The worker threads that serve submitted requests. Each checks out connections as any thread of the program does.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use super::completion_queue::Urgency;
use super::connection_queue::HeldConnection;
use super::executor::{Chore, Executor, Next};
use super::request::{Done, Settled, Ticket, call};
use super::retry::Runs;
use super::scheduler::{Item, Parker, Permit};
use super::task::{Answer, Outcome, Task, Trouble, Work};
use super::{coalesce, transaction};
use crate::error::Error;
use crate::link::cancel::CancelHandle;
use crate::link::deferred::run_deferred;
use crate::pool::PooledConnection;
use crate::sys::thread::Thread;
use crate::sys::unwind::catch_panic;

/// Starts a worker, with the right to do jobs or without.
pub(super) fn start(executor: Arc<Executor>, permit: Permit) -> std::io::Result<()> {
    let worker = Worker { executor, parker: Arc::default(), permit, has_left: true, checkout: None };
    Thread::start("holdfast-submit", move || worker.run()).map(drop)
}

/// A checked out connection, kept from one request to the next.
pub(super) struct Checkout {
    pub(super) conn: PooledConnection,
    pub(super) cancel: Arc<CancelHandle>,
}

impl Checkout {
    fn new(conn: PooledConnection) -> Self {
        Self { cancel: Arc::new(conn.cancel_handle()), conn }
    }
}

struct Worker {
    executor: Arc<Executor>,
    parker: Arc<Parker>,
    permit: Permit,
    /// It does not run: the executor knows.
    has_left: bool,
    checkout: Option<Checkout>,
}

/// A callback of the program's may end the thread (`pthread_exit`).
impl Drop for Worker {
    fn drop(&mut self) {
        if !self.has_left {
            self.executor.lose_worker(&mut self.permit);
        }
    }
}

impl Worker {
    fn run(mut self) {
        self.has_left = false;
        while let Some(item) = self.executor.next(&self.parker, &mut self.permit) {
            // After a panic the dropped ticket answers its request.
            if catch_panic(|| self.work_on(item)).is_err()
                && let Some(checkout) = self.checkout.take()
            {
                checkout.conn.discard();
            }
        }
        self.has_left = true;
    }

    fn work_on(&mut self, item: Item<Chore, Arc<dyn HeldConnection>, Ticket>) {
        let mut next = Next { item: Some(item), ..Next::default() };
        while let Some(item) = next.item.take() {
            if !matches!(item, Item::Job(_)) {
                run_deferred();
            }
            match item {
                Item::Chore(chore) => self.run_chore(chore),
                Item::Held(held) => serve_held(held),
                Item::Job(ticket) => next = self.serve_jobs(ticket, next),
            }
        }
    }

    fn run_chore(&self, chore: Chore) {
        match chore {
            Chore::Cancel(request) => request.deliver_cancel(),
            Chore::Callback(callback) => call(Some(callback)),
            Chore::Sweep => self.executor.sweep(),
            Chore::Close(ticket) => close(ticket),
        }
    }

    /// Serves a job and those coalesced with it; returns the next work for its connection. If there is none, the connection is
    /// returned before the last answer is delivered, so that the receiver of the answer finds it available.
    fn serve_jobs(&mut self, first: Ticket, coalesced: Next) -> Next {
        let done = match self.checkout.take() {
            Some(checkout) if !coalesced.coalesced.is_empty() => {
                self.serve_coalesced(checkout, first, coalesced)
            }
            checkout => {
                self.checkout = checkout;
                self.serve(first)
            }
        };
        let (mut next, mut urgency) = (Next::default(), Urgency::Now);
        if let Some(checkout) = &mut self.checkout {
            if checkout.conn.is_fit_to_keep() {
                next = self
                    .executor
                    .next_for_checkout(&mut self.permit, checkout.conn.may_be_shared(coalesce::MAX_REQUESTS));
                urgency = Urgency::Soon { left: next.left + next.coalesced.len() };
            }
            if !matches!(next.item, Some(Item::Job(_))) {
                self.checkout = None;
                urgency = Urgency::Now;
            }
        }
        if let Some(done) = done {
            done.deliver(urgency);
        }
        next
    }

    fn serve_coalesced(&mut self, mut checkout: Checkout, first: Ticket, next: Next) -> Option<Done> {
        let mut tickets = next.coalesced;
        tickets.insert(0, first);
        let rest = coalesce::serve(&mut checkout, tickets, next.left);
        if rest.is_in_doubt {
            checkout.conn.discard();
        } else {
            self.checkout = Some(checkout);
        }
        let mut last = rest.last;
        for ticket in rest.alone {
            if let Some(done) = last.take() {
                done.deliver(Urgency::Now);
            }
            if let Some(checkout) = &mut self.checkout
                && !checkout.conn.is_fit_to_keep()
            {
                self.checkout = None;
            }
            last = self.serve(ticket);
        }
        last
    }

    /// Serves one request; `None` when it was cancelled, so that no answer is awaited.
    fn serve(&mut self, ticket: Ticket) -> Option<Done> {
        if let Task::Transaction { options, body } = ticket.request().task() {
            // A transaction checks out its own connection.
            self.checkout = None;
            run_deferred();
            let pool = self.executor.pool();
            let outcome = pool
                .map_err(Trouble::from)
                .and_then(|pool| transaction::serve(&ticket, &pool, options, body));
            return Some(ticket.done(outcome));
        }
        let mut runs = Runs::default();
        loop {
            let checkout = match self.check_out(&ticket, &runs) {
                Ok(checkout) => checkout,
                Err(e) => return Some(ticket.done(Err(e.into()))),
            };
            let Some(work) = ticket.request().work() else {
                return Some(ticket.done(Ok(Answer::Connection(checkout.conn))));
            };
            if !ticket.begin(checkout.cancel.clone()) {
                self.checkout = Some(checkout);
                return None;
            }
            let (settled, outcome) = self.run_once(&ticket, work, checkout);
            let Ok(pool) = self.executor.pool() else { return Some(ticket.done(outcome)) };
            match runs.after(ticket.request(), &pool, settled, outcome) {
                ControlFlow::Break(outcome) => return Some(ticket.done(outcome)),
                ControlFlow::Continue(wait) => {
                    self.checkout = None;
                    ticket.back_to_waiting();
                    run_deferred();
                    thread::sleep(wait);
                }
            }
        }
    }

    fn run_once(&mut self, ticket: &Ticket, work: &Work, mut checkout: Checkout) -> (Settled, Outcome) {
        if let limit @ Some(_) = ticket.request().deadline() {
            checkout.conn.set_deadline(limit);
        }
        let begun = Instant::now();
        let outcome = run(ticket, work, &mut checkout.conn);
        if let (Some(profile), Ok(_)) = (ticket.request().profile(), &outcome) {
            profile.note(begun.elapsed());
        }
        let settled = ticket.settle();
        if settled == Settled::MaybeCancelled || matches!(outcome, Err(Trouble::Panic(_))) {
            checkout.conn.discard();
        } else {
            self.checkout = Some(checkout);
        }
        (settled, outcome)
    }

    fn check_out(&mut self, ticket: &Ticket, runs: &Runs) -> Result<Checkout, Error> {
        match self.checkout.take() {
            Some(checkout) => Ok(checkout),
            None => {
                run_deferred();
                self.executor.pool()?.get(runs.asked(ticket.request())).map(Checkout::new)
            }
        }
    }
}

pub(super) fn close(ticket: Ticket) {
    let Task::Close(close) = ticket.request().task() else {
        unreachable!("the chore is made for such a task alone");
    };
    if ticket.begin_to_its_end() {
        let report = close();
        ticket.done(Ok(Answer::Closed(report))).deliver(Urgency::Now);
    }
}

/// Runs a request's work on `conn`, and keeps what the server remarks meanwhile if the request asks for that. `is_fresh`: what it
/// remarked before belongs to earlier requests.
fn work_on(
    ticket: &Ticket,
    work: &Work,
    conn: &mut PooledConnection,
    is_fresh: bool,
) -> crate::Result<Answer> {
    let wants_notices = ticket.request().wants_notices();
    if wants_notices && is_fresh {
        conn.tell_notices();
    }
    let outcome = work.run(conn, &mut |outcome| ticket.part(outcome));
    if wants_notices {
        // None on a connection that broke.
        ticket.keep_notices(conn.raw().map(|mut raw| raw.take_notices()).unwrap_or_default());
    }
    outcome
}

fn run(ticket: &Ticket, work: &Work, conn: &mut PooledConnection) -> Outcome {
    match catch_panic(|| work_on(ticket, work, conn, true)) {
        Ok(done) => done.map_err(Trouble::Error),
        Err(payload) => Err(Trouble::Panic(payload)),
    }
}

/// Serves all requests of a held connection. Each answer is delivered when the connection has its next request or is free.
fn serve_held(held: Arc<dyn HeldConnection>) {
    let queue = held.connection_queue().clone();
    queue.begin();
    let mut held = Some(held);
    let mut answered = None;
    loop {
        let ticket = queue.next();
        if ticket.is_none() {
            held = None;
        }
        if let Some(done) = answered.take() {
            Done::deliver(done, Urgency::Now);
        }
        let (Some(ticket), Some(held)) = (ticket, &held) else { return };
        answered = serve_on(&**held, ticket);
    }
}

fn serve_on(held: &dyn HeldConnection, ticket: Ticket) -> Option<Done> {
    if !ticket.begin(held.cancel_handle()) {
        return None;
    }
    let Some(work) = ticket.request().work() else {
        unreachable!("requests for a held connection are work only");
    };
    let limit = ticket.request().deadline();
    let mut outcome = None;
    let there = catch_panic(|| {
        held.with_connection(&mut |conn| {
            let usual = limit.map(|_| conn.deadline());
            if limit.is_some() {
                conn.set_deadline(limit);
            }
            outcome = Some(work_on(&ticket, work, conn, false).map_err(Trouble::Error));
            if let Some(usual) = usual {
                conn.set_deadline(usual);
            }
        })
    });
    // The connection is the program's: a cancel request that got lost is no reason to close it.
    ticket.settle();
    let outcome = match there {
        Err(payload) => Err(Trouble::Panic(payload)),
        Ok(Err(e)) => Err(e.into()),
        Ok(Ok(())) => outcome.unwrap_or_else(|| unreachable!("the connection was there")),
    };
    Some(ticket.done(outcome))
}
