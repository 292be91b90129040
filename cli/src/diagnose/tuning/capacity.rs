//! How many connections there may be, and who has them.

use holdfast::Result;

use super::APPLICATION;
use super::sizing::{Bound, Ceiling, usually_kept_free};
use super::workload::Workload;
use crate::diagnose::diagnosis::{Answers, CLIENTS, limits, literal};

/// The capacity of a server, as tuning reads it.
const SETTINGS: &str = "'idle_in_transaction_session_timeout', 'idle_session_timeout', 'client_connection_check_interval', \
     'tcp_keepalives_idle', 'max_connections', 'work_mem'";

/// Settings of the server, in milliseconds or plain numbers as the server keeps them, and as it writes them.
pub(super) struct Settings(Vec<(String, String)>);

impl Settings {
    /// `None` where this version does not know it.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

pub(super) fn settings(answers: &mut Answers<'_>) -> Result<Settings> {
    let rows = answers.rows(&format!(
        "select name, pg_catalog.current_setting(name) from pg_catalog.pg_settings where name in ({SETTINGS})"
    ))?;
    Ok(Settings(rows.iter().map(|row| (row.text(0), row.text(1))).collect()))
}

/// The limits that bind this role, each with what others use of it. Pools that run already under this name and role are the ones
/// that are tuned, and not among the others.
pub(super) fn ceilings(
    answers: &mut Answers<'_>,
    own_name: &str,
    workload: &Workload,
) -> Result<Vec<Ceiling>> {
    let limits = limits(answers)?;
    let others = others(answers, own_name)?;
    let server = Ceiling {
        bound: Bound::Server,
        limit: limits.server.limit,
        reserved: limits.superuser_reserved + limits.reserved,
        others: others.of_server,
        kept_free: 0,
        keeps_a_share: false,
    };
    let database = limits.database.map(|limit| Ceiling {
        bound: Bound::Database,
        limit: limit.limit,
        reserved: 0,
        others: others.of_database,
        kept_free: 0,
        keeps_a_share: false,
    });
    // People and jobs have roles of their own.
    let role = limits.role.map(|limit| Ceiling {
        bound: Bound::Role,
        limit: limit.limit,
        reserved: 0,
        others: others.of_role,
        kept_free: 0,
        keeps_a_share: false,
    });
    let shared = [Some(server), database].into_iter().flatten();
    let shared = shared.map(|ceiling| Ceiling {
        kept_free: kept_free(&ceiling, workload.reserve),
        keeps_a_share: workload.reserve.is_none(),
        ..ceiling
    });
    Ok(shared.chain(role).collect())
}

fn kept_free(ceiling: &Ceiling, wanted: Option<u32>) -> u32 {
    wanted.unwrap_or_else(|| usually_kept_free(ceiling.slots()))
}

struct Others {
    of_server: u32,
    of_role: u32,
    of_database: u32,
}

fn others(answers: &mut Answers<'_>, own_name: &str) -> Result<Others> {
    let row = answers.row(&format!(
        "select count(*), count(*) filter (where usename = session_user), \
         count(*) filter (where datname = pg_catalog.current_database()) \
         from pg_catalog.pg_stat_activity a, \
         lateral (select pg_catalog.regexp_replace(coalesce(a.application_name, ''), '(^| )hf:[0-9a-f]{{8}}$', '') as name) plain \
         where {CLIENTS} and pid <> pg_catalog.pg_backend_pid() \
         and not (usename = session_user and (plain.name = {APPLICATION} or plain.name = {own} \
         and a.application_name <> ''))",
        APPLICATION = literal(APPLICATION),
        own = literal(own_name),
    ))?;
    Ok(Others { of_server: row.count(0), of_role: row.count(1), of_database: row.count(2) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(limit: u32) -> Ceiling {
        Ceiling { bound: Bound::Server, limit, reserved: 3, others: 0, kept_free: 0, keeps_a_share: false }
    }

    #[test]
    fn a_tenth_is_kept_free_and_at_least_three_unless_it_is_said_how_many() {
        assert_eq!(kept_free(&server(103), None), 10);
        assert_eq!(kept_free(&server(104), None), 11, "rounded up");
        assert_eq!(kept_free(&server(13), None), 3);
        assert_eq!(kept_free(&server(13), Some(0)), 0);
    }
}
