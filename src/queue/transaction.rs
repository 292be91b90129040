//! Submitted transactions, run and rerun on a worker.
//!
//! A transaction can be cancelled while its body runs, which fails it, and between two runs. It cannot be cancelled during
//! COMMIT, whose outcome would then be unknown.

use std::sync::Arc;

use super::request::{Settled, Ticket};
use super::task::{Answer, Body, Outcome, Trouble};
use crate::error::{Error, ErrorKind, Phase};
use crate::pool::{Came, CheckoutHandle, PooledConnection};
use crate::session::TransactionOptions;
use crate::sys::unwind::catch_panic;

/// Runs the transaction of a request to its end.
pub(super) fn serve(
    ticket: &Ticket,
    pool: &CheckoutHandle,
    options: &TransactionOptions,
    body: &Body,
) -> Outcome {
    let asked = ticket.request().asked();
    let transact = || pool.transaction(asked.into(), options, |conn| run_once(ticket, conn, body));
    match catch_panic(transact) {
        Ok(done) => done.map(|()| Answer::Done),
        Err(payload) => Err(Trouble::Panic(payload)),
    }
}

fn run_once(ticket: &Ticket, conn: PooledConnection, body: &Body) -> Result<Came<(), Trouble>, Trouble> {
    if !ticket.begin(Arc::new(conn.cancel_handle())) {
        return Err(canceled("it was cancelled before it ran").into());
    }
    let (conn, outcome) = body(conn)?;
    // From here on it cannot be cancelled, unless it failed and may run again.
    if ticket.settle() == Settled::MaybeCancelled {
        // The cancel request may still arrive, and hit COMMIT or the next statement on the connection.
        conn.discard();
        return Err(
            canceled("the server could not be asked to cancel it, so its connection was closed").into()
        );
    }
    if outcome.is_err() {
        ticket.back_to_waiting();
    }
    Ok((conn, outcome))
}

fn canceled(how: &str) -> Error {
    let text = format!("the transaction was cancelled: {how}; nothing was committed");
    Error::new(ErrorKind::Canceled, text).in_phase(Phase::Query).set_retryable(true)
}
