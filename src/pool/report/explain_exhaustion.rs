//! Explains who holds the connections, on request and when a call has got none.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::observe::event::EventKind;
use crate::observe::exhaustion::{Exhaustion, Holder, ServerSlots};
use crate::pool::admission::{Grant, Request};
use crate::pool::connection::registry::Registered;
use crate::pool::connection::server_connection::Parked;
use crate::pool::connection::validation::Validation;
use crate::pool::core::Core;
use crate::pool::guards::Granted;
use crate::pool::handle::Pool;
use crate::pool::tasks::Task;
use crate::sys::clock::Tick;

/// The limit of an explanation, the wait for a connection included.
const EXPLAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// The limit of the query over a returned connection, for which callers may wait. A server that takes longer has worse
/// troubles.
const CHECKOUT_QUESTION_TIMEOUT: Duration = Duration::from_millis(500);

impl Pool {
    /// Explains who holds the connections, together with the server's own list of its slots. The server is asked over a
    /// connection of the pool, never over one more than `max_size`: over an idle one, else over the next that comes back or may
    /// be opened within 2 s. If there is none, `server_error` gives the reason, and the report has the pool's own view alone.
    ///
    /// The pool does the same by itself, at most once a minute, when a call has ended with
    /// [`PoolTimeout`](crate::ErrorKind::PoolTimeout) or [`ServerFull`](crate::ErrorKind::ServerFull): it is logged as a
    /// warning, emitted as an event, and kept for [`last_exhaustion`](Self::last_exhaustion). Then the server is asked over a
    /// connection that is idle or comes back next.
    ///
    /// Blocks for at most 2 s. Inside a callback, and in a forked child, the server is not asked.
    ///
    /// ```no_run
    /// # let pool = holdfast::Pool::new(holdfast::PoolConfig::from_url("postgresql://app@db/orders")?.max_size(2))?;
    /// let mut conn = pool.get()?;
    /// conn.batch_execute("begin")?;
    /// let story = pool.explain_exhaustion();
    /// assert_eq!(story.holders[0].transaction, holdfast::TransactionStatus::InTransaction);
    /// assert!(story.server.is_some(), "{story}");
    /// println!("{}", story.verdict());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn explain_exhaustion(&self) -> Exhaustion {
        let mut found = self.core.pool_view();
        match self.core.check_caller() {
            Ok(()) => found.note_server(self.core.ask_server(Instant::now() + EXPLAIN_TIMEOUT)),
            Err(error) => found.note_server(Err(error.to_string())),
        }
        found
    }

    /// Returns the last explanation that the pool made by itself.
    ///
    /// ```
    /// # let pool = holdfast::Pool::echo(holdfast::PoolConfig::new())?;
    /// assert!(pool.last_exhaustion().is_none(), "no caller has waited in vain");
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn last_exhaustion(&self) -> Option<Arc<Exhaustion>> {
        if self.core.is_inherited() { None } else { self.core.explanations.last() }
    }
}

impl Core {
    /// Starts an explanation, since a call has got no connection.
    #[cold]
    pub(in crate::pool) fn explain_soon(self: &Arc<Self>) {
        if !self.explanations.begin(Tick::exact()) {
            return;
        }
        // The view as of now, not of when a connection is available for the query.
        self.explanations.await_server(self.pool_view());
        self.start(Task::ExplainOverIdle);
        self.later(EXPLAIN_TIMEOUT, Task::ExplainWithoutServer);
    }

    /// Asks the server over an idle connection. If there is none, the next that comes back is used.
    pub(in crate::pool) fn explain_over_idle(self: &Arc<Self>) {
        let Some(Grant::Connection(parked)) = self.admission.try_idle() else { return };
        if let Validation::Valid(mut parked) = self.validate(parked, Instant::now() + EXPLAIN_TIMEOUT) {
            self.admission.count(|c| c.gets -= 1);
            self.admission.begin_pool_use(&mut parked);
            self.explain_over(parked);
        }
    }

    /// Asks the server over a connection that came back, on a worker. No waiter has to queue behind the query, and it keeps
    /// callers from this connection for no longer than its answer takes.
    pub(in crate::pool) fn explain_over(self: &Arc<Self>, mut conn: Parked) {
        failpoint!(self, "exhaustion question");
        let pending = self.explanations.take_pending();
        let deadline = Instant::now() + CHECKOUT_QUESTION_TIMEOUT;
        let answer = pending.is_some().then(|| conn.query_server_slots(deadline));
        self.give_back(conn);
        if let (Some(mut found), Some(answer)) = (pending, answer) {
            found.note_server(answer);
            self.emit_exhaustion(found);
        }
    }

    pub(in crate::pool) fn explain_without_server(&self) {
        if let Some(mut found) = self.explanations.take_pending() {
            found.note_server(Err("no connection came back that it could have been asked over".to_owned()));
            self.emit_exhaustion(found);
        }
    }

    fn emit_exhaustion(&self, found: Exhaustion) {
        let found = self.explanations.complete(found);
        self.emit(EventKind::ExhaustionExplained)
            .warn(&[], format_args!("who holds the connections: {found}"));
    }

    fn pool_view(&self) -> Exhaustion {
        let (gauges, _) = self.admission.snapshot();
        let mut holders: Vec<_> = self.registry.all().iter().filter_map(holder).collect();
        holders.sort_by_key(|holder| std::cmp::Reverse(holder.held_for));
        Exhaustion {
            taken: SystemTime::now(),
            max_size: gauges.max_size,
            limit: gauges.limit,
            holders,
            idle: gauges.idle,
            opening: gauges.opening,
            waiting: gauges.waiting,
            oldest_waiter: self.admission.oldest_waiter(),
            server: None,
            server_error: None,
        }
    }

    fn ask_server(self: &Arc<Self>, deadline: Instant) -> Result<ServerSlots, String> {
        let mut conn = self.check_out_for_pool(deadline)?;
        let answer = conn.query_server_slots(deadline);
        self.give_back(conn);
        answer
    }

    /// Takes a connection for the pool's own use, which is no checkout.
    fn check_out_for_pool(self: &Arc<Self>, deadline: Instant) -> Result<Parked, String> {
        let request =
            Request { since: Instant::now(), deadline, opens_from: None, backs_off: false, is_new: false };
        loop {
            match self.wait(request) {
                Err(_) => return Err("no connection came free for the question".to_owned()),
                Ok(Granted::Closed) => return Err("the pool was closed".to_owned()),
                Ok(Granted::Refused) => return Err(self.why_unreachable()),
                Ok(Granted::Connection(parked)) => {
                    if let Validation::Valid(parked) = self.validate(parked, deadline) {
                        self.admission.count(|c| c.gets -= 1);
                        return Ok(parked);
                    }
                }
                Ok(Granted::Capacity(capacity)) => match self.known_failure() {
                    Some(error) => return Err(error.summary()),
                    None => return self.open(capacity, deadline).map_err(|error| error.summary()),
                },
            }
        }
    }
}

fn holder(conn: &Registered) -> Option<Holder> {
    let holding = conn.checkout.holding()?;
    Some(Holder {
        connection: conn.id,
        backend_pid: conn.link.backend_key().map(|key| key.process_id),
        held_for: holding.held_for,
        place: holding.place.map(ToString::to_string),
        backtrace: holding.backtrace,
        transaction: conn.link.transaction_status(),
        busy: conn.link.is_busy(),
        last_statement: conn.link.traffic().last_ended().map(|ended| Tick::exact().since(ended)),
    })
}
