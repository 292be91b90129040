//! The threads that do what was submitted. Each borrows from the pool as any thread of the program would.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use super::completion_queue::Urgency;
use super::connection_queue::Seat;
use super::executor::{Chore, Executor, Next};
use super::request::{Done, Settled, Ticket, call};
use super::retry::Runs;
use super::scheduler::{Bed, Item};
use super::task::{Answer, Outcome, Task, Trouble, Work};
use super::{coalesce, transaction};
use crate::error::Error;
use crate::link::cancel::CancelHandle;
use crate::link::deferred::run_deferred;
use crate::pool::PooledConnection;

/// Starts a worker; `seated`: with leave to do jobs.
pub(super) fn start(executor: Arc<Executor>, seated: bool) -> std::io::Result<()> {
    let worker = Worker { executor, bed: Arc::default(), seated, loan: None };
    thread::Builder::new().name("holdfast-submit".into()).spawn(move || worker.run()).map(drop)
}

/// A connection kept from one request to the next.
pub(super) struct Loan {
    pub(super) conn: PooledConnection,
    pub(super) cancel: Arc<CancelHandle>,
}

impl Loan {
    fn new(conn: PooledConnection) -> Self {
        Self { cancel: Arc::new(conn.cancel_handle()), conn }
    }
}

struct Worker {
    executor: Arc<Executor>,
    bed: Arc<Bed>,
    seated: bool,
    loan: Option<Loan>,
}

impl Worker {
    fn run(mut self) {
        while let Some(item) = self.executor.next(&self.bed, &mut self.seated) {
            // The request in hand answers for itself when it is dropped.
            if catch_unwind(AssertUnwindSafe(|| self.work_on(item))).is_err()
                && let Some(loan) = self.loan.take()
            {
                loan.conn.discard();
            }
        }
    }

    fn work_on(&mut self, item: Item<Chore, Arc<dyn Seat>, Ticket>) {
        let mut next = Next { item: Some(item), ..Next::default() };
        while let Some(item) = next.item.take() {
            if !matches!(item, Item::Job(_)) {
                run_deferred();
            }
            match item {
                Item::Chore(chore) => self.do_chore(chore),
                Item::Sequence(seat) => run_sequence(seat),
                Item::Job(ticket) => next = self.do_jobs(ticket, next),
            }
        }
    }

    fn do_chore(&self, chore: Chore) {
        match chore {
            Chore::Cancel(request) => request.deliver_cancel(),
            Chore::Tell(callback) => call(Some(callback)),
            Chore::Sweep => self.executor.sweep(),
        }
    }

    /// Does a job, and those that travel with it; returns what is next for the connection it was done on. The connection
    /// goes back before the last answer is out if there is nothing, so that whoever hears the answer finds it there.
    fn do_jobs(&mut self, first: Ticket, with_it: Next) -> Next {
        let done = match self.loan.take() {
            Some(loan) if !with_it.with_it.is_empty() => self.serve_together(loan, first, with_it),
            loan => {
                self.loan = loan;
                self.serve(first)
            }
        };
        let (mut next, mut urgency) = (Next::default(), Urgency::Now);
        if let Some(loan) = &mut self.loan {
            if loan.conn.is_fit_to_keep() {
                next = self.executor.go_on(&mut self.seated, loan.conn.may_be_shared(coalesce::MOST));
                urgency = Urgency::Soon { left: next.left + next.with_it.len() };
            }
            if !matches!(next.item, Some(Item::Job(_))) {
                self.loan = None;
                urgency = Urgency::Now;
            }
        }
        if let Some(done) = done {
            done.deliver(urgency);
        }
        next
    }

    fn serve_together(&mut self, mut loan: Loan, first: Ticket, next: Next) -> Option<Done> {
        let mut tickets = next.with_it;
        tickets.insert(0, first);
        let rest = coalesce::serve(&mut loan, tickets, next.left);
        if rest.is_in_doubt {
            loan.conn.discard();
        } else {
            self.loan = Some(loan);
        }
        let mut last = rest.last;
        for ticket in rest.alone {
            if let Some(done) = last.take() {
                done.deliver(Urgency::Now);
            }
            if let Some(loan) = &mut self.loan
                && !loan.conn.is_fit_to_keep()
            {
                self.loan = None;
            }
            last = self.serve(ticket);
        }
        last
    }

    /// `None` when nobody waits for the answer any more.
    fn serve(&mut self, ticket: Ticket) -> Option<Done> {
        if let Task::Transaction { options, body } = ticket.request().task() {
            // It borrows for itself.
            self.loan = None;
            run_deferred();
            let pool = self.executor.pool();
            let outcome = pool
                .map_err(Trouble::from)
                .and_then(|pool| transaction::serve(&ticket, &pool, options, body));
            return Some(ticket.done(outcome));
        }
        let mut runs = Runs::default();
        loop {
            let loan = match self.borrow(&ticket, &runs) {
                Ok(loan) => loan,
                Err(e) => return Some(ticket.done(Err(e.into()))),
            };
            let Some(work) = ticket.request().work() else {
                return Some(ticket.done(Ok(Answer::Connection(loan.conn))));
            };
            if !ticket.begin(loan.cancel.clone()) {
                self.loan = Some(loan);
                return None;
            }
            let (settled, outcome) = self.run_once(&ticket, work, loan);
            let Ok(pool) = self.executor.pool() else { return Some(ticket.done(outcome)) };
            match runs.after(ticket.request(), &pool, settled, outcome) {
                ControlFlow::Break(outcome) => return Some(ticket.done(outcome)),
                ControlFlow::Continue(wait) => {
                    self.loan = None;
                    ticket.wait_again();
                    run_deferred();
                    thread::sleep(wait);
                }
            }
        }
    }

    fn run_once(&mut self, ticket: &Ticket, work: &Work, mut loan: Loan) -> (Settled, Outcome) {
        if let limit @ Some(_) = ticket.request().deadline() {
            loan.conn.set_deadline(limit);
        }
        let begun = Instant::now();
        let outcome = run(work, &mut loan.conn);
        if let (Some(habit), Ok(_)) = (ticket.request().habit(), &outcome) {
            habit.note(begun.elapsed());
        }
        let settled = ticket.settle();
        if settled == Settled::MaybeCancelled || matches!(outcome, Err(Trouble::Panic(_))) {
            loan.conn.discard();
        } else {
            self.loan = Some(loan);
        }
        (settled, outcome)
    }

    fn borrow(&mut self, ticket: &Ticket, runs: &Runs) -> Result<Loan, Error> {
        match self.loan.take() {
            Some(loan) => Ok(loan),
            None => {
                run_deferred();
                self.executor.pool()?.get(runs.asked(ticket.request())).map(Loan::new)
            }
        }
    }
}

fn run(work: &Work, conn: &mut PooledConnection) -> Outcome {
    match catch_unwind(AssertUnwindSafe(|| work.run(conn))) {
        Ok(done) => done.map_err(Trouble::Error),
        Err(payload) => Err(Trouble::Panic(payload)),
    }
}

/// Does everything that a connection in hand has to do. Each answer is given when the connection has its next request, or
/// is free.
fn run_sequence(seat: Arc<dyn Seat>) {
    let sequence = seat.sequence().clone();
    sequence.begin();
    let mut seat = Some(seat);
    let mut answered = None;
    loop {
        let ticket = sequence.next();
        if ticket.is_none() {
            seat = None;
        }
        if let Some(done) = answered.take() {
            Done::deliver(done, Urgency::Now);
        }
        let (Some(ticket), Some(seat)) = (ticket, &seat) else { return };
        answered = serve_on(&**seat, ticket);
    }
}

fn serve_on(seat: &dyn Seat, ticket: Ticket) -> Option<Done> {
    if !ticket.begin(seat.cancel_handle()) {
        return None;
    }
    let Some(work) = ticket.request().work() else {
        unreachable!("of a connection in hand only work is asked");
    };
    let limit = ticket.request().deadline();
    let mut outcome = None;
    let there = catch_unwind(AssertUnwindSafe(|| {
        seat.with_connection(&mut |conn| {
            let usual = limit.map(|_| conn.deadline());
            if limit.is_some() {
                conn.set_deadline(limit);
            }
            outcome = Some(work.run(conn).map_err(Trouble::Error));
            if let Some(usual) = usual {
                conn.set_deadline(usual);
            }
        })
    }));
    // The connection is the program's: a cancel request that got lost on the way is no reason to take it away.
    ticket.settle();
    let outcome = match there {
        Err(payload) => Err(Trouble::Panic(payload)),
        Ok(Err(e)) => Err(e.into()),
        Ok(Ok(())) => outcome.unwrap_or_else(|| unreachable!("the connection was there")),
    };
    Some(ticket.done(outcome))
}
