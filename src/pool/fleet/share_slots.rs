//! The fleet: shares the slots of a server with its other pools. A pool marks its connections, takes a census of the marks, and
//! gives connections up. [`Share`](crate::resilience::fleet::membership::Share) decides; this module carries it out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::config::settings::{PoolSettings, ServerSettings};
use crate::error::Error;
use crate::pool::admission::{IdleAction, MIN_TIMER_DELAY, NextRebalance, Releases, Returned};
use crate::pool::connection::next_wakeup::NextWakeup;
use crate::pool::connection::own_statements::TextRow;
use crate::pool::connection::server_connection::Parked;
use crate::pool::core::Core;
use crate::pool::lifecycle::failpoint::failpoint;
use crate::pool::lifecycle::validate::CheckResult;
use crate::pool::telemetry::stats::CloseReason;
use crate::resilience::fleet::census::{Census, Id, Peer};
use crate::sys::clock::Tick;

/// The part of an application's name that the server keeps (NAMEDATALEN, less its terminator).
const MAX_APPLICATION_NAME_BYTES: usize = 63;

/// The census: a row for each pool of the fleet and one for all other sessions. Peers have this pool's role: a mark is what
/// any role may call its sessions, and a stranger's would take slots from the fleet. A role without privileges sees name, role and
/// database of all sessions, and the type of its own only (`pg_stat_get_activity`); a process that is no client has no role or
/// no database. Superusers keep `superuser_reserved_connections` free as well; no other limit binds them.
const CENSUS_SQL: &str = "\
select pg_catalog.pg_backend_pid(), pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()), \
pg_catalog.current_setting('max_connections')::pg_catalog.int4 \
operator(pg_catalog.-) pg_catalog.current_setting('superuser_reserved_connections')::pg_catalog.int4 \
operator(pg_catalog.-) coalesce(pg_catalog.current_setting('reserved_connections', true), '0')::pg_catalog.int4, \
case when r.rolsuper then -1 else r.rolconnlimit end, case when r.rolsuper then -1 else d.datconnlimit end, \
s.mark, s.sessions, s.of_role, s.of_database \
from (select case when a.usename operator(pg_catalog.=) session_user then \
pg_catalog.substring(a.application_name, '(?:^| )hf:([0-9a-f]{8})$') end as mark, pg_catalog.count(*) as sessions, \
pg_catalog.count(*) filter (where a.usename operator(pg_catalog.=) session_user) as of_role, \
pg_catalog.count(*) filter (where a.datname operator(pg_catalog.=) pg_catalog.current_database()) as of_database \
from pg_catalog.pg_stat_activity a where a.usesysid is not null and a.datid is not null \
and coalesce(a.backend_type, 'client backend') operator(pg_catalog.=) 'client backend' group by 1) s, \
pg_catalog.pg_roles r, pg_catalog.pg_database d \
where r.rolname operator(pg_catalog.=) session_user and d.datname operator(pg_catalog.=) pg_catalog.current_database()";

/// The times at which fleet work is due. Read on every return, so it is one atomic.
pub(in crate::pool) struct FleetWatch {
    at_return: AtomicU64,
    next_wakeup: NextWakeup,
    scarce: AtomicBool,
    shares: bool,
}

impl FleetWatch {
    pub(in crate::pool) fn new(fleet: Option<Id>) -> Self {
        let at_return = if fleet.is_some() { 0 } else { u64::MAX };
        Self {
            at_return: AtomicU64::new(at_return),
            next_wakeup: NextWakeup::default(),
            scarce: AtomicBool::new(false),
            shares: fleet.is_some(),
        }
    }

    /// Returns whether the return of a connection has to do fleet work.
    #[inline]
    pub(in crate::pool) fn is_due(&self, now: Tick) -> bool {
        now.to_word() >= self.at_return.load(Ordering::Relaxed)
    }

    /// Returns whether slots were scarce at the last census.
    pub(in crate::pool) fn is_scarce(&self) -> bool {
        self.scarce.load(Ordering::Relaxed)
    }
}

/// Makes a pool a member of the fleet, if `fleet_share` is on: its connections carry a mark from now on. With random choice
/// among several servers a census of one says nothing about the others, so such a pool does not share.
pub(in crate::pool) fn join(settings: &PoolSettings, server: &mut ServerSettings) -> Option<Id> {
    if !settings.fleet_share || server.load_balance_hosts {
        return None;
    }
    let id = Id(fastrand::u32(..));
    server.application_name = Some(marked(server.application_name.as_deref().unwrap_or(""), id));
    Some(id)
}

/// Appends the mark to the user's application name, which is cut where both would not fit. From version 16 on, servers write
/// each byte that is not printable ASCII as four.
fn marked(name: &str, id: Id) -> String {
    let mark = format!("hf:{:08x}", id.0);
    let mut room = MAX_APPLICATION_NAME_BYTES - mark.len() - 1;
    let fits = |c: &char| {
        let width = if c.is_ascii_graphic() || *c == ' ' { 1 } else { 4 * c.len_utf8() };
        let fits = width <= room;
        room = if fits { room - width } else { 0 };
        fits
    };
    let name: String = name.chars().take_while(fits).collect();
    if name.is_empty() { mark } else { format!("{name} {mark}") }
}

impl Core {
    /// Does the fleet work that is due when a connection comes back. Returns the connection if it is to stay.
    #[cold]
    pub(in crate::pool) fn rebalance_fleet(self: &Arc<Self>, conn: Parked) -> Option<Parked> {
        let kept = match self.admission.returned() {
            Returned::Keep => Some(conn),
            Returned::GiveUp => {
                self.retire(conn, CloseReason::Shared);
                None
            }
            Returned::Census => {
                self.take_census_over_returned(conn);
                None
            }
        };
        self.schedule_fleet_work();
        kept
    }

    /// Has a worker take a census over a connection that has just come back, and give that back.
    fn take_census_over_returned(self: &Arc<Self>, mut conn: Parked) {
        let core = self.clone();
        self.workers.run(move || {
            core.take_census(&mut conn);
            core.give_back(conn);
        });
    }

    /// Has a worker take a census over an idle connection, and put it back to its place: it was not used.
    fn take_census_over_idle(self: &Arc<Self>, mut conn: Parked, taken: Releases) {
        let core = self.clone();
        self.workers.run(move || {
            let epoch = core.revalidation.epoch();
            core.take_census(&mut conn);
            if !conn.is_at_rest() {
                if let Some(reason) = core.conclude_check(&conn, CheckResult::Dead) {
                    core.retire(conn, reason);
                }
                return;
            }
            conn.heard_at = Tick::now();
            conn.epoch = epoch;
            core.put_back_unused(conn, taken);
        });
    }

    fn take_census(self: &Arc<Self>, conn: &mut Parked) {
        failpoint!(self, "fleet look");
        let seen = query_census(conn, self.settings.validation_timeout);
        match &seen {
            Ok(Some(_)) => {}
            Ok(None) => {
                self.log.debug(
                    &[],
                    format_args!("a pooler in between shows its own sessions: connections go without a mark"),
                );
                self.connector.leave_out_mark();
            }
            Err(error) => {
                self.log.debug(&[], format_args!("cannot see who shares the server: {}", error.summary()))
            }
        }
        self.admission.census_ended(seen.ok().flatten().as_ref());
        self.fleet.scarce.store(self.admission.is_scarce(), Ordering::Relaxed);
        self.schedule_fleet_work();
    }

    /// Recomputes when fleet work is due, after a change that may move it.
    pub(in crate::pool) fn schedule_fleet_work(self: &Arc<Self>) {
        if !self.fleet.shares {
            return;
        }
        let NextRebalance { at_return, at_time } = self.admission.next_rebalance();
        // The coarse clock of returns lags behind: work that is due by now must be due for it, too.
        let now = Instant::now();
        let word =
            |at: Option<Instant>| at.map_or(u64::MAX, |at| if at <= now { 0 } else { tick_of(at).to_word() });
        self.fleet.at_return.store(word(at_return), Ordering::Relaxed);
        let Some(at) = at_time else { return };
        let due = tick_of(at + MIN_TIMER_DELAY);
        if !self.fleet.next_wakeup.advance_to(due) {
            return;
        }
        self.later(due.since(Tick::exact()), move |core| core.fleet_timer_fired(due));
    }

    /// Does the fleet work that is due by time. Runs on the timer thread.
    fn fleet_timer_fired(self: &Arc<Self>, due: Tick) {
        if !self.fleet.next_wakeup.fires(due) {
            return;
        }
        let _next = NextPlan(self);
        match self.admission.rebalance_share() {
            Some(IdleAction::GiveUp(conn)) => self.close_connection(conn, CloseReason::Shared),
            Some(IdleAction::Census(conn, taken)) => self.take_census_over_idle(conn, taken),
            None => {}
        }
    }
}

/// Sets the fleet's next timer on every way out.
struct NextPlan<'a>(&'a Arc<Core>);

impl Drop for NextPlan<'_> {
    fn drop(&mut self) {
        self.0.schedule_fleet_work();
    }
}

fn tick_of(at: Instant) -> Tick {
    Tick::exact().plus(at.saturating_duration_since(Instant::now()))
}

/// Queries the census, in bounded time; `None` behind a pooler. It does not count as a statement of the pool's users.
fn query_census(conn: &mut Parked, limit: Duration) -> Result<Option<Census>, Error> {
    let rows = conn.run_for_pool(CENSUS_SQL, Instant::now() + limit)?;
    let process = conn.link.backend_key().map(|key| key.process_id.to_string());
    let sees_itself = |row: &TextRow| process.is_some() && row.text(0) == process.as_deref();
    if !rows.iter().any(sees_itself) {
        return Ok(None);
    }
    parse_census(&rows).map(Some).ok_or_else(|| Error::misuse("the answer is not that of PostgreSQL"))
}

/// The slots of one limit, and their holders.
#[derive(Default)]
struct Limit {
    slots: i64,
    others: u32,
    peers: BTreeMap<Id, u32>,
}

/// Reads the census of the limit that leaves least for each pool, of all limits that bind this pool.
fn parse_census(rows: &[TextRow]) -> Option<Census> {
    let first = rows.first()?;
    let clock = Duration::try_from_secs_f64(first.number(1)?).ok()?;
    let mut limits: [Limit; 3] = Default::default();
    for (index, limit) in limits.iter_mut().enumerate() {
        limit.slots = first.number(2 + index)?;
        for row in rows {
            let sessions = u32::try_from(row.number::<i64>(6 + index)?).ok().filter(|sessions| *sessions > 0);
            let mark = row.text(5).and_then(|mark| u32::from_str_radix(mark, 16).ok());
            match (mark, sessions) {
                (Some(mark), Some(sessions)) => {
                    let held = limit.peers.entry(Id(mark)).or_default();
                    *held = held.saturating_add(sessions);
                }
                (None, Some(sessions)) => limit.others = limit.others.saturating_add(sessions),
                (_, None) => {}
            }
        }
    }
    let look = |limit: Limit| {
        let peers = limit.peers.into_iter().map(|(id, held)| Peer { id, held }).collect();
        // Negative: no such limit.
        Some(Census { slots: u32::try_from(limit.slots).ok()?, others: limit.others, peers, clock })
    };
    limits.into_iter().filter_map(look).min_by_key(Census::tightness)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resilience::fleet::census::unmarked;

    #[test]
    fn the_mark_follows_the_users_own_name_within_what_a_server_keeps() {
        let id = Id(0x0012_abcd);
        assert_eq!(marked("", id), "hf:0012abcd");
        assert_eq!(marked("orders", id), "orders hf:0012abcd");
        for name in ["orders", "größe"] {
            assert_eq!(unmarked(&marked(name, id)), Some(name));
            assert_eq!(unmarked(name), Some(name));
        }
        assert_eq!(unmarked("hf:0012abcd"), None);
        let long = marked(&"x".repeat(80), id);
        assert_eq!((long.len(), long.ends_with("x hf:0012abcd")), (63, true));
        let umlauts = marked(&"ä".repeat(80), id);
        assert_eq!(umlauts.chars().filter(|c| *c == 'ä').count(), 51 / 8);
    }

    fn row(limits: [i64; 3], mark: Option<&str>, sessions: [u32; 3]) -> TextRow {
        let mut row = vec![Some("4711".to_owned()), Some("1000.5".to_owned())];
        row.extend(limits.map(|limit| Some(limit.to_string())));
        row.push(mark.map(str::to_owned));
        row.extend(sessions.map(|count| Some(count.to_string())));
        row.into()
    }

    #[test]
    fn the_limit_that_leaves_least_for_each_is_the_one_that_counts() {
        let look = |limits| {
            parse_census(&[
                row(limits, Some("0000000a"), [4, 4, 4]),
                row(limits, Some("0000000b"), [5, 0, 5]),
                row(limits, None, [3, 1, 0]),
            ])
            .unwrap()
        };
        let server = look([17, -1, -1]);
        assert_eq!((server.slots, server.others, server.held(), server.free()), (17, 3, 9, 5));
        assert_eq!(server.clock, Duration::from_millis(1_000_500));
        let role = look([17, 6, -1]);
        assert_eq!((role.slots, role.others, role.peers.len(), role.free()), (6, 1, 1, 1));
        let database = look([17, -1, 10]);
        assert_eq!((database.slots, database.others, database.peers.len(), database.free()), (10, 0, 2, 1));
        assert_eq!(parse_census(&[]), None);
        assert_eq!(parse_census(&[vec![None, Some("soon".to_owned())].into()]), None);
    }

    #[test]
    fn a_server_that_sends_fewer_columns_or_counts_beyond_belief_panics_nobody() {
        let whole = row([17, -1, -1], None, [u32::MAX; 3]).into_values();
        for columns in 0..whole.len() {
            assert_eq!(parse_census(&[whole[..columns].to_vec().into()]), None, "{columns} columns");
        }
        let many = || row([17, -1, -1], Some("0000000a"), [u32::MAX; 3]);
        let others = || TextRow::from(whole.clone());
        let look = parse_census(&[many(), many(), others(), others()]).unwrap();
        assert_eq!((look.held(), look.others, look.free(), look.tightness()), (u32::MAX, u32::MAX, 0, 0));
    }
}
