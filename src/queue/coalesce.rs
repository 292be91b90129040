//! Request coalescing: several requests are sent at once on one connection when more wait than there are workers. That takes
//! one write and few wake-ups. Each is answered as soon as its own reply arrives, and none is affected by another's failure.

use std::sync::Arc;
use std::time::Instant;

use super::completion_queue::Urgency;
use super::request::{Done, Settled, Ticket};
use super::retry::may_run_again;
use super::task::{Answer, Work};
use super::worker::Checkout;
use crate::error::{Error, ErrorKind, Phase, Result, ends_the_session};
use crate::link::cancel::CancelHandle;
use crate::session::{Batch, Ready, ResultBlock};

/// The most requests to send at once.
pub(super) const MAX_REQUESTS: usize = 8;

/// The work left after requests were sent together.
#[derive(Default)]
pub(super) struct Rest {
    /// The last answer, to be delivered once the connection's next work is known.
    pub(super) last: Option<Done>,
    /// Requests to be served one by one.
    pub(super) alone: Vec<Ticket>,
    /// A cancel request for one of them may still be on its way to the connection.
    pub(super) is_in_doubt: bool,
}

impl Rest {
    /// Adds requests that did not run, or whose effect was undone.
    fn serve_alone(&mut self, tickets: impl IntoIterator<Item = Ticket>) {
        self.alone.extend(tickets.into_iter().inspect(Ticket::back_to_waiting));
    }
}

/// Sends requests together and takes their replies; `left` as in [`Urgency::Soon`].
pub(super) fn serve(checkout: &mut Checkout, tickets: Vec<Ticket>, left: usize) -> Rest {
    let mut rest = Rest::default();
    let Checkout { conn, cancel } = checkout;
    let target = conn.target().to_owned();
    let Ok(mut raw) = conn.raw() else {
        rest.alone = tickets;
        return rest;
    };
    let mut sent = Vec::with_capacity(tickets.len());
    for ticket in tickets {
        let ready = match ticket.request().work() {
            Some(Work::Query { query, .. }) => {
                query.input.with_params(|params| raw.ready(query.sql(), params, query.format))
            }
            _ => Ok(None),
        };
        match ready {
            Ok(Some(ready)) => sent.push((ticket, ready)),
            // Served alone, it gets its own error.
            _ => rest.alone.push(ticket),
        }
    }
    sent.retain(|(ticket, _)| ticket.send());
    if sent.is_empty() {
        return rest;
    }
    match raw.send_batch(|write| write_all(&sent, write)) {
        Ok(batch) => {
            let tickets = sent.into_iter().map(|(ticket, _)| ticket).collect();
            Replies { batch, cancel, target, left, cancelled: false, rest: &mut rest }.take_all(tickets);
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
    batch: Batch<'a>,
    cancel: &'a Arc<CancelHandle>,
    target: String,
    left: usize,
    /// One of the requests was cancelled; the cancel request may have hit one behind it.
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
                // The server reported the end, and ran no request behind this one.
                self.rest.serve_alone(tickets);
                return;
            }
        }
    }

    /// Takes one reply; returns `true` when the server ended the session without running the requests behind it.
    fn take(&mut self, ticket: Ticket, behind: usize) -> bool {
        let wanted = ticket.begin(self.cancel.clone());
        let begun = Instant::now();
        let outcome = self.batch.next().unwrap_or_else(|| Err(lost()));
        if let (Some(profile), Ok(_)) = (ticket.request().profile(), &outcome) {
            profile.note(begun.elapsed());
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

    /// Returns whether the request must run again: another request caused its failure, or it is idempotent and lost its
    /// connection, or its prepared statement was stale.
    fn must_run_again(&self, ticket: &Ticket, outcome: &Result<ResultBlock>, settled: Settled) -> bool {
        let Err(error) = outcome else { return false };
        if may_run_again(ticket.request(), settled, error) {
            return true;
        }
        // Served alone, it is prepared anew.
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
