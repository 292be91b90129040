//! The server's slots and who uses them, queried over a connection.

use std::time::{Duration, Instant};

use super::own_statements::{TextRow, add_sessions};
use super::server_connection::OpenConnection;
use crate::observe::exhaustion::{ServerSlots, SlotUse};

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

impl OpenConnection {
    /// Queries the server's slots. The error is a cause in words.
    pub(in crate::pool) fn query_server_slots(&mut self, deadline: Instant) -> Result<ServerSlots, String> {
        let rows = self.ask_for_pool(SLOTS_SQL, deadline).map_err(|error| error.summary())?;
        parse_slots(&rows).ok_or_else(|| "its answer is not that of PostgreSQL".to_owned())
    }
}

fn parse_slots(rows: &[TextRow]) -> Option<ServerSlots> {
    let mut slots: Option<ServerSlots> = None;
    for row in rows {
        let count = |column: usize| row.sessions(column);
        // Negative: no such limit.
        let limit =
            |column: usize| row.number::<i64>(column).map(|_| row.sessions(column).map(|limit| (limit, 0)));
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
        add_sessions(&mut found.used, sessions);
        if let Some((_, used)) = &mut found.role_limit {
            add_sessions(used, of_role);
        }
        if let Some((_, used)) = &mut found.database_limit {
            add_sessions(used, of_database);
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
            add_sessions(&mut found.idle_in_transaction, sessions);
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
    use crate::pool::connection::own_statements::MAX_SESSIONS;

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
        assert_eq!((slots.used, slots.idle_in_transaction), (MAX_SESSIONS, MAX_SESSIONS));
        assert_eq!((slots.role_limit, slots.database_limit), (Some((5, MAX_SESSIONS)), None));
    }
}
