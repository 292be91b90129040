//! The census: counts the marks of a server's sessions, over one connection.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::pool::connection::own_statements::{TextRow, add_sessions};
use crate::pool::connection::server_connection::OpenConnection;
use crate::resilience::fleet::census::{Census, Id, Peer};

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

/// Queries the census, in bounded time; `None` behind a pooler. It does not count as a statement of the pool's users.
pub(in crate::pool) fn query_census(
    conn: &mut OpenConnection,
    limit: Duration,
) -> Result<Option<Census>, Error> {
    let rows = conn.ask_for_pool(CENSUS_SQL, Instant::now() + limit)?;
    let process = conn.link.backend_key().map(|key| key.process_id.to_string());
    let sees_itself = |row: &TextRow| process.is_some() && row.text(0) == process.as_deref();
    if !rows.iter().any(sees_itself) {
        return Ok(None);
    }
    parse_census(&rows).map(Some).ok_or_else(|| Error::misuse("the answer is not that of PostgreSQL"))
}

/// A bound for the server's clock, some 3,000 years from now, within which computing with it cannot overflow.
const LATEST_CLOCK: Duration = Duration::from_secs(100_000_000_000);

/// The slots of one limit, and their holders.
#[derive(Default)]
struct Limit {
    /// `None`: no such limit.
    slots: Option<u32>,
    others: u32,
    peers: BTreeMap<Id, u32>,
}

/// Reads the census of the limit that leaves least for each pool, of all limits that bind this pool.
fn parse_census(rows: &[TextRow]) -> Option<Census> {
    let first = rows.first()?;
    let clock = Duration::try_from_secs_f64(first.number(1)?).ok().filter(|clock| *clock < LATEST_CLOCK)?;
    let mut limits: [Limit; 3] = Default::default();
    for (index, limit) in limits.iter_mut().enumerate() {
        limit.slots = first.number::<i64>(2 + index).map(|_| first.sessions(2 + index))?;
        for row in rows {
            row.number::<i64>(6 + index)?;
            let sessions = row.sessions(6 + index).filter(|sessions| *sessions > 0);
            let mark = row.text(5).and_then(|mark| u32::from_str_radix(mark, 16).ok());
            match (mark, sessions) {
                (Some(mark), Some(sessions)) => {
                    add_sessions(limit.peers.entry(Id(mark)).or_default(), sessions)
                }
                (None, Some(sessions)) => add_sessions(&mut limit.others, sessions),
                (_, None) => {}
            }
        }
    }
    let look = |limit: Limit| {
        let peers = limit.peers.into_iter().map(|(id, held)| Peer { id, held }).collect();
        Some(Census { slots: limit.slots?, others: limit.others, peers, clock })
    };
    limits.into_iter().filter_map(look).min_by_key(Census::tightness)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::connection::own_statements::MAX_SESSIONS;

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
        assert_eq!(
            (look.held(), look.others, look.free(), look.tightness()),
            (MAX_SESSIONS, MAX_SESSIONS, 0, 0)
        );
    }
}
