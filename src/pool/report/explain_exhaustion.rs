//! Explains who holds the connections, on request and when a call has got none.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;

use crate::observe::event::EventKind;
use crate::observe::exhaustion::{Exhaustion, Holder, ServerSlots, SlotUse};
use crate::pool::Pool;
use crate::pool::admission::{Grant, Request};
use crate::pool::connection::own_statements::TextRow;
use crate::pool::connection::registry::Registered;
use crate::pool::connection::server_connection::Parked;
use crate::pool::core::Core;
use crate::pool::lifecycle::capacity::Granted;
use crate::pool::lifecycle::failpoint::failpoint;
use crate::pool::lifecycle::validate::Validation;
use crate::sys::clock::Tick;

/// The limit of an explanation, the wait for a connection included.
const EXPLAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// The limit of the query over a returned connection, for which callers may wait. A server that takes longer has worse
/// troubles.
const CHECKOUT_QUESTION_TIMEOUT: Duration = Duration::from_millis(500);

/// The shortest interval between explanations that the pool makes by itself.
const MIN_EXPLAIN_INTERVAL: Duration = Duration::from_secs(60);

/// The largest number of session groups that are listed.
const MAX_SESSION_GROUPS: usize = 100;

/// The query for the server's slots: one row for each group of sessions, and in each the limits.
const SLOTS_SQL: &str = "\
select pg_catalog.current_setting('max_connections'), \
pg_catalog.current_setting('superuser_reserved_connections')::pg_catalog.int4 operator(pg_catalog.+) \
coalesce(pg_catalog.current_setting('reserved_connections', true), '0')::pg_catalog.int4, \
case when r.rolsuper then -1 else r.rolconnlimit end, case when r.rolsuper then -1 else d.datconnlimit end, \
coalesce(a.application_name, ''), coalesce(a.usename::pg_catalog.text, ''), coalesce(a.state, ''), pg_catalog.count(*), \
pg_catalog.max(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() operator(pg_catalog.-) a.state_change)), \
pg_catalog.count(*) filter (where a.usename operator(pg_catalog.=) session_user), \
pg_catalog.count(*) filter (where a.datname operator(pg_catalog.=) pg_catalog.current_database()) \
from pg_catalog.pg_stat_activity a, pg_catalog.pg_roles r, pg_catalog.pg_database d \
where r.rolname operator(pg_catalog.=) session_user and d.datname operator(pg_catalog.=) pg_catalog.current_database() \
and a.usesysid is not null and a.datid is not null \
and coalesce(a.backend_type, 'client backend') operator(pg_catalog.=) 'client backend' \
group by 1, 2, 3, 4, 5, 6, 7 order by 8 desc, 5, 6, 7";

/// The last explanation, and the one that is under way.
#[derive(Debug, Default)]
pub(in crate::pool) struct Explanations {
    last: Mutex<Option<Arc<Exhaustion>>>,
    /// The pool's view, which still lacks the server's.
    pending: Mutex<Option<Exhaustion>>,
    /// The server is to be asked over the next connection that comes back. Read at every return.
    wanted: AtomicBool,
    /// The time of the last explanation, as a [`Tick`]; 0 for never.
    at: AtomicU64,
}

impl Explanations {
    #[inline]
    pub(in crate::pool) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }

    fn take(&self) -> Option<Exhaustion> {
        self.wanted.store(false, Ordering::Release);
        self.pending.lock().take()
    }
}

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
    #[cfg_attr(feature = "embedded", doc = "```")]
    #[cfg_attr(not(feature = "embedded"), doc = "```ignore")]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = holdfast::embedded::EmbeddedPostgres::start()?;
    /// # let url = server.url();
    /// # let pool = holdfast::Pool::new(holdfast::PoolConfig::from_url(&url)?.max_size(2))?;
    /// let mut conn = pool.get()?;
    /// conn.batch_execute("begin")?;
    /// let story = pool.explain_exhaustion();
    /// assert_eq!(story.holders[0].transaction, holdfast::TransactionStatus::InTransaction);
    /// assert!(story.server.is_some(), "{story}");
    /// # Ok(()) }
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
    pub fn last_exhaustion(&self) -> Option<Arc<Exhaustion>> {
        if self.core.is_inherited() { None } else { self.core.explanations.last.lock().clone() }
    }
}

impl Core {
    /// Starts an explanation, since a call has got no connection.
    #[cold]
    pub(in crate::pool) fn explain_soon(self: &Arc<Self>) {
        let now = Tick::exact();
        let before = self.explanations.at.load(Ordering::Relaxed);
        let is_recent = before != 0 && now.since(Tick::from_word(before)) < MIN_EXPLAIN_INTERVAL;
        let claims = || {
            let at = &self.explanations.at;
            at.compare_exchange(before, now.to_word(), Ordering::AcqRel, Ordering::Relaxed).is_ok()
        };
        if is_recent || !claims() {
            return;
        }
        // The view as of now, not of when a connection is available for the query.
        let found = self.pool_view();
        let before = self.explanations.pending.lock().replace(found);
        drop(before);
        self.explanations.wanted.store(true, Ordering::Release);
        let core = self.clone();
        self.workers.run(move || core.ask_over_idle());
        self.later(EXPLAIN_TIMEOUT, |core| core.explain_without_server());
    }

    /// Asks the server over an idle connection. If there is none, [`ask_over`](Self::ask_over) gets the next that comes back.
    /// Runs on a worker.
    fn ask_over_idle(self: &Arc<Self>) {
        let Some(Grant::Connection(parked)) = self.admission.try_idle() else { return };
        if let Validation::Valid(parked) = self.validate(parked, Instant::now() + EXPLAIN_TIMEOUT) {
            self.admission.count(|c| c.gets -= 1);
            self.answer_over(parked);
        }
    }

    /// Has a worker ask the server over a connection that came back. No waiter has to queue behind the query, and it keeps
    /// callers from this connection for no longer than its answer takes.
    #[cold]
    pub(in crate::pool) fn ask_over(self: &Arc<Self>, conn: Parked) {
        self.explanations.wanted.store(false, Ordering::Release);
        let core = self.clone();
        self.workers.run(move || core.answer_over(conn));
    }

    fn answer_over(self: &Arc<Self>, mut conn: Parked) {
        failpoint!(self, "exhaustion question");
        let pending = self.explanations.take();
        let answer =
            pending.is_some().then(|| slots_of_server(&mut conn, Instant::now() + CHECKOUT_QUESTION_TIMEOUT));
        self.give_back(conn);
        if let (Some(mut found), Some(answer)) = (pending, answer) {
            found.note_server(answer);
            self.emit_exhaustion(found);
        }
    }

    fn explain_without_server(&self) {
        if let Some(mut found) = self.explanations.take() {
            found.note_server(Err("no connection came back that it could have been asked over".to_owned()));
            self.emit_exhaustion(found);
        }
    }

    fn emit_exhaustion(&self, found: Exhaustion) {
        let found = Arc::new(found);
        let before = self.explanations.last.lock().replace(found.clone());
        drop(before);
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
        let answer = slots_of_server(&mut conn, deadline);
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

fn slots_of_server(conn: &mut Parked, deadline: Instant) -> Result<ServerSlots, String> {
    let rows = conn.run_for_pool(SLOTS_SQL, deadline).map_err(|error| error.summary())?;
    parse_slots(&rows).ok_or_else(|| "its answer is not that of PostgreSQL".to_owned())
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

fn parse_slots(rows: &[TextRow]) -> Option<ServerSlots> {
    let mut slots: Option<ServerSlots> = None;
    for row in rows {
        let number = |column: usize| row.number::<i64>(column);
        let count = |column: usize| u32::try_from(number(column)?).ok();
        let limit = |column: usize| Some(u32::try_from(number(column)?).ok().map(|limit| (limit, 0)));
        let found = match &mut slots {
            Some(found) => found,
            None => slots.insert(ServerSlots {
                max_connections: count(0)?,
                reserved: count(1)?,
                used: 0,
                idle_in_transaction: 0,
                role_limit: limit(2)?,
                database_limit: limit(3)?,
                slots: Vec::new(),
            }),
        };
        let (sessions, of_role, of_database) = (count(7)?, count(9)?, count(10)?);
        found.used = found.used.saturating_add(sessions);
        if let Some((_, used)) = &mut found.role_limit {
            *used = used.saturating_add(of_role);
        }
        if let Some((_, used)) = &mut found.database_limit {
            *used = used.saturating_add(of_database);
        }
        let text = |column: usize| row.text(column).unwrap_or_default().to_owned();
        let slot = SlotUse {
            application: text(4),
            user: text(5),
            state: text(6),
            count: sessions,
            oldest: row.number(8).and_then(|s| Duration::try_from_secs_f64(s).ok()),
        };
        if slot.state.starts_with("idle in transaction") {
            found.idle_in_transaction = found.idle_in_transaction.saturating_add(sessions);
        }
        if found.slots.len() < MAX_SESSION_GROUPS {
            found.slots.push(slot);
        }
    }
    slots
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(columns: [&str; 11]) -> Vec<Option<String>> {
        columns.iter().map(|text| Some((*text).to_owned())).collect()
    }

    #[test]
    fn a_server_that_sends_fewer_columns_or_counts_beyond_belief_panics_nobody() {
        let many = "4294967295";
        let whole = row(["100", "3", "5", "-1", "app", "me", "idle in transaction", many, "1.5", many, many]);
        for columns in 0..whole.len() {
            assert_eq!(parse_slots(&[whole[..columns].to_vec().into()]), None, "{columns} columns");
        }
        let slots = parse_slots(&[whole.clone().into(), whole.into()]).unwrap();
        assert_eq!((slots.used, slots.idle_in_transaction), (u32::MAX, u32::MAX));
        assert_eq!((slots.role_limit, slots.database_limit), (Some((5, u32::MAX)), None));
    }
}
