//! Several requests sent at once on one connection, when more wait than there are workers: one write, few wake-ups. Each is
//! answered as soon as its own reply is there, and none is touched by what becomes of another.

use std::sync::Arc;
use std::time::Instant;

use super::completion_queue::Urgency;
use super::request::{Done, Settled, Ticket};
use super::retry::may_run_again;
use super::task::{Answer, Work};
use super::worker::Loan;
use crate::error::{Error, ErrorKind, Phase, Result, ends_the_session};
use crate::link::cancel::CancelHandle;
use crate::session::{Burst, Ready, ResultBlock};

/// As many requests travel together at most.
pub(super) const MOST: usize = 8;

/// What is left to do after requests travelled together.
#[derive(Default)]
pub(super) struct Rest {
    /// The last one's answer, to be given when it is clear what the connection does next.
    pub(super) last: Option<Done>,
    /// To be served one by one.
    pub(super) alone: Vec<Ticket>,
    /// A cancel request that was meant for one of them may be on its way to the connection.
    pub(super) is_in_doubt: bool,
}

impl Rest {
    /// They did not run, or what ran of them was undone.
    fn serve_alone(&mut self, tickets: impl IntoIterator<Item = Ticket>) {
        self.alone.extend(tickets.into_iter().inspect(Ticket::wait_again));
    }
}

/// Serves requests together; `left` as in [`Urgency::Soon`].
pub(super) fn serve(loan: &mut Loan, tickets: Vec<Ticket>, left: usize) -> Rest {
    let mut rest = Rest::default();
    let Loan { conn, cancel } = loan;
    let target = conn.target().to_owned();
    let Ok(mut lane) = conn.lane() else {
        rest.alone = tickets;
        return rest;
    };
    let mut sent = Vec::with_capacity(tickets.len());
    for ticket in tickets {
        let ready = match ticket.request().work() {
            Some(Work::Query { query, .. }) => {
                query.input.with_params(|params| lane.ready(query.sql(), params, query.format))
            }
            _ => Ok(None),
        };
        match ready {
            Ok(Some(ready)) => sent.push((ticket, ready)),
            // Alone, it is told what is wrong with it.
            _ => rest.alone.push(ticket),
        }
    }
    sent.retain(|(ticket, _)| ticket.send());
    if sent.is_empty() {
        return rest;
    }
    match lane.burst(|write| write_all(&sent, write)) {
        Ok(burst) => {
            let tickets = sent.into_iter().map(|(ticket, _)| ticket).collect();
            Replies { burst, cancel, target, left, cancelled: false, rest: &mut rest }.take_all(tickets);
        }
        Err(_) => rest.serve_alone(sent.into_iter().map(|(ticket, _)| ticket)),
    }
    rest
}

type Write<'a> = &'a mut dyn FnMut(&Ready, &[crate::session::Param<'_>]) -> Result<()>;

fn write_all(sent: &[(Ticket, Ready)], write: Write<'_>) -> Result<()> {
    for (ticket, ready) in sent {
        if let Some(Work::Query { query, .. }) = ticket.request().work() {
            query.input.with_params(|params| write(ready, params))?;
        }
    }
    Ok(())
}

struct Replies<'a> {
    burst: Burst<'a>,
    cancel: &'a Arc<CancelHandle>,
    target: String,
    left: usize,
    /// One of them was cancelled: the request may have hit one behind it.
    cancelled: bool,
    rest: &'a mut Rest,
}

impl Replies<'_> {
    fn take_all(mut self, tickets: Vec<Ticket>) {
        let mut behind = tickets.len();
        let mut tickets = tickets.into_iter();
        while let Some(ticket) = tickets.next() {
            behind -= 1;
            let session_ended = self.take(ticket, behind);
            if session_ended {
                // The server said so, and looked at nothing that came behind.
                self.rest.serve_alone(tickets);
                return;
            }
        }
    }

    /// Takes the reply to one; `true` when the server has ended the session instead of looking at those behind it.
    fn take(&mut self, ticket: Ticket, behind: usize) -> bool {
        let wanted = ticket.begin(self.cancel.clone());
        let begun = Instant::now();
        let outcome = self.burst.next().unwrap_or_else(|| Err(lost()));
        if let (Some(habit), Ok(_)) = (ticket.request().habit(), &outcome) {
            habit.note(begun.elapsed());
        }
        let session_ended = outcome.as_ref().is_err_and(ended_the_session);
        if !wanted {
            return session_ended;
        }
        let settled = ticket.settle();
        if self.must_run_again(&ticket, &outcome, settled) {
            self.rest.serve_alone([ticket]);
            return session_ended;
        }
        self.cancelled |= settled != Settled::Untouched;
        self.rest.is_in_doubt |= settled == Settled::MaybeCancelled;
        self.answer(ticket, outcome, behind);
        session_ended
    }

    fn answer(&mut self, ticket: Ticket, outcome: Result<ResultBlock>, behind: usize) {
        let pack = matches!(ticket.request().work(), Some(Work::Query { pack: true, .. }));
        let outcome = outcome.and_then(|block| Answer::to_query(block, pack));
        let outcome = outcome.map_err(|e| e.at_target(self.target.as_str()).into());
        let done = ticket.done(outcome);
        if behind == 0 && self.rest.alone.is_empty() {
            self.rest.last = Some(done);
        } else {
            done.deliver(Urgency::Soon { left: self.left + behind });
        }
    }

    /// Whether what went wrong was not this one's own affair, and undid all that it had done; or it may be done twice.
    fn must_run_again(&self, ticket: &Ticket, outcome: &Result<ResultBlock>, settled: Settled) -> bool {
        let Err(error) = outcome else { return false };
        if may_run_again(ticket.request(), settled, error) {
            return true;
        }
        // Alone, it is prepared anew.
        if error.is_of_stale_statement() {
            return true;
        }
        error.is_query_canceled() && self.cancelled && settled == Settled::Untouched
    }
}

fn ended_the_session(error: &Error) -> bool {
    error.server().is_some_and(ends_the_session)
}

fn lost() -> Error {
    let text = "the connection was lost while this statement was under way on it";
    Error::new(ErrorKind::ConnectionLost, text).in_phase(Phase::Query).set_retryable(false)
}
