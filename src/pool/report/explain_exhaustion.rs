//! Looking into who holds the connections, on request and when a call has got none.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;

use crate::link::TransactionStatus;
use crate::observe::event::EventKind;
use crate::observe::exhaustion::{Exhaustion, Holder, ServerSlots, SlotUse};
use crate::pool::Pool;
use crate::pool::admission::{Grant, Request};
use crate::pool::connection::own_statements::TextRow;
use crate::pool::connection::registry::Registered;
use crate::pool::connection::server_connection::Parked;
use crate::pool::core::Inner;
use crate::pool::lifecycle::capacity::Granted;
use crate::pool::lifecycle::failpoint::failpoint;
use crate::pool::lifecycle::validate::Proof;
use crate::sys::clock::Tick;

/// How long the server is waited for, a connection to it included.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long a connection that others wait for is kept for the question. A server that takes longer has worse troubles.
const BRIEFLY: Duration = Duration::from_millis(500);

/// It is not looked into more often on the pool's own account.
const AT_MOST_EVERY: Duration = Duration::from_secs(60);

/// The most groups of sessions that are listed.
const MOST_SLOTS: usize = 100;

/// One row for each group of sessions, and in each the limits.
const ASK: &str = "\
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

/// When it was last looked into, and what was found.
#[derive(Debug, Default)]
pub(in crate::pool) struct Explained {
    last: Mutex<Option<Arc<Exhaustion>>>,
    /// The pool's view, for which the server is still to be asked.
    pending: Mutex<Option<Exhaustion>>,
    /// It is to be asked over the next connection that comes back: read at every return.
    wanted: AtomicBool,
    /// When, as a [`Tick`]; 0 for never.
    at: AtomicU64,
}

impl Explained {
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
    /// Who holds the connections, joined with what the server says of its slots. The server is asked over a connection of the
    /// pool, never over one more than `max_size`: over an idle one, else over the next that comes back or may be opened within
    /// 2 s. If there is none, `server_error` says why, and the pool's own view is all there is.
    ///
    /// The same is done by itself, at most once a minute, when a call has ended with
    /// [`PoolTimeout`](crate::ErrorKind::PoolTimeout) or [`ServerFull`](crate::ErrorKind::ServerFull): it is logged as a
    /// warning, told as an event, and kept for [`last_exhaustion`](Self::last_exhaustion). Then the server is asked over what is
    /// idle or comes back next.
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
    /// assert_eq!(story.holders[0].transaction, "in_transaction");
    /// assert!(story.server.is_some(), "{story}");
    /// # Ok(()) }
    /// ```
    pub fn explain_exhaustion(&self) -> Exhaustion {
        let mut found = self.inner.pools_view();
        match self.inner.check_caller() {
            Ok(()) => found.note_server(self.inner.ask_server(Instant::now() + PATIENCE)),
            Err(error) => found.note_server(Err(error.to_string())),
        }
        found
    }

    /// What was found when it was last looked into who holds the connections, by the pool itself.
    pub fn last_exhaustion(&self) -> Option<Arc<Exhaustion>> {
        if self.inner.is_inherited() { None } else { self.inner.explained.last.lock().clone() }
    }
}

impl Inner {
    /// A call has got no connection.
    #[cold]
    pub(in crate::pool) fn explain_soon(self: &Arc<Self>) {
        let now = Tick::exact();
        let before = self.explained.at.load(Ordering::Relaxed);
        let is_recent = before != 0 && now.since(Tick::from_word(before)) < AT_MOST_EVERY;
        let claims = || {
            let at = &self.explained.at;
            at.compare_exchange(before, now.to_word(), Ordering::AcqRel, Ordering::Relaxed).is_ok()
        };
        if is_recent || !claims() {
            return;
        }
        // As of now, not of when a connection is there to ask over.
        let found = self.pools_view();
        let before = self.explained.pending.lock().replace(found);
        drop(before);
        self.explained.wanted.store(true, Ordering::Release);
        let inner = self.clone();
        self.workers.run(move || inner.ask_over_idle());
        self.later(PATIENCE, |inner| inner.explain_without_server());
    }

    /// On a worker: over what is idle now. If nothing is, [`ask_over`](Self::ask_over) is called with what comes back.
    fn ask_over_idle(self: &Arc<Self>) {
        let Some(Grant::Connection(parked)) = self.admission.try_idle() else { return };
        if let Proof::Given(parked) = self.prove(parked, Instant::now() + PATIENCE) {
            self.admission.count(|c| c.gets -= 1);
            self.answer_over(parked);
        }
    }

    /// A lent connection came back while there is a question for the server. A worker asks it: nobody who waits for a connection
    /// has to stand behind the question in the queue, and nobody else is kept from a connection by it for more than its answer.
    #[cold]
    pub(in crate::pool) fn ask_over(self: &Arc<Self>, conn: Parked) {
        self.explained.wanted.store(false, Ordering::Release);
        let inner = self.clone();
        self.workers.run(move || inner.answer_over(conn));
    }

    fn answer_over(self: &Arc<Self>, mut conn: Parked) {
        failpoint!(self, "exhaustion question");
        let pending = self.explained.take();
        let answer = pending.is_some().then(|| slots_of_server(&mut conn, Instant::now() + BRIEFLY));
        self.give_back(conn);
        if let (Some(mut found), Some(answer)) = (pending, answer) {
            found.note_server(answer);
            self.tell_of_exhaustion(found);
        }
    }

    fn explain_without_server(&self) {
        if let Some(mut found) = self.explained.take() {
            found.note_server(Err("no connection came back that it could have been asked over".to_owned()));
            self.tell_of_exhaustion(found);
        }
    }

    fn tell_of_exhaustion(&self, found: Exhaustion) {
        let found = Arc::new(found);
        let before = self.explained.last.lock().replace(found.clone());
        drop(before);
        self.tell(EventKind::ExhaustionExplained)
            .warn(&[], format_args!("who holds the connections: {found}"));
    }

    fn pools_view(&self) -> Exhaustion {
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
        let mut conn = self.borrow_for_itself(deadline)?;
        let answer = slots_of_server(&mut conn, deadline);
        self.give_back(conn);
        answer
    }

    /// A connection for the pool's own use, which is no loan.
    fn borrow_for_itself(self: &Arc<Self>, deadline: Instant) -> Result<Parked, String> {
        let request =
            Request { since: Instant::now(), deadline, opens_from: None, backs_off: false, is_new: false };
        loop {
            match self.wait(request) {
                Err(_) => return Err("no connection came free for the question".to_owned()),
                Ok(Granted::Closed) => return Err("the pool was closed".to_owned()),
                Ok(Granted::Refused) => return Err(self.why_unreachable()),
                Ok(Granted::Connection(parked)) => {
                    if let Proof::Given(parked) = self.prove(parked, deadline) {
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
    let rows = conn.run_for_pool(ASK, deadline).map_err(|error| error.summary())?;
    understand(&rows).ok_or_else(|| "its answer is not that of PostgreSQL".to_owned())
}

fn holder(conn: &Registered) -> Option<Holder> {
    let holding = conn.loan.holding()?;
    let transaction = match conn.link.transaction_status() {
        TransactionStatus::Unknown => "unknown",
        TransactionStatus::Idle => "idle",
        TransactionStatus::InTransaction => "in_transaction",
        TransactionStatus::Failed => "failed",
    };
    Some(Holder {
        connection: conn.id,
        backend_pid: conn.link.backend_key().map(|key| key.process_id),
        held_for: holding.held_for,
        place: holding.place.map(ToString::to_string),
        backtrace: holding.backtrace,
        transaction,
        busy: conn.link.is_busy(),
        last_statement: conn.link.traffic().last_ended().map(|ended| Tick::exact().since(ended)),
    })
}

fn understand(rows: &[TextRow]) -> Option<ServerSlots> {
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
        if found.slots.len() < MOST_SLOTS {
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
            assert_eq!(understand(&[whole[..columns].to_vec().into()]), None, "{columns} columns");
        }
        let slots = understand(&[whole.clone().into(), whole.into()]).unwrap();
        assert_eq!((slots.used, slots.idle_in_transaction), (u32::MAX, u32::MAX));
        assert_eq!((slots.role_limit, slots.database_limit), (Some((5, u32::MAX)), None));
    }
}
