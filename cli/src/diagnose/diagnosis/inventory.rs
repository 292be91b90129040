//! A server's description of itself and of its sessions.

use std::time::{Duration, Instant};

use holdfast::Error;
use holdfast::connect::StandaloneSession;
use holdfast::session::ResultBlock;

use super::Questions;
use super::expectation::Expectation;
use super::sessions;
use super::sessions::{Blocked, CLIENTS, Session, SessionGroup};
use crate::diagnose::pooler::Pooler;

/// The identity of the server and of the session that examined it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Identity {
    /// `server_version`.
    pub version: String,
    /// `server_version_num`.
    pub version_number: u32,
    /// Set if the server is a standby, which is read-only.
    pub in_recovery: bool,
    /// Set if transactions of this session may not write.
    pub read_only: bool,
    /// This session's role.
    pub user: String,
    /// This session's database.
    pub database: String,
    /// Set if the role may see the statements of others (a superuser, or a member of `pg_read_all_stats`).
    pub sees_all: bool,
    /// What is in between, if anything is.
    pub pooler: Option<Pooler>,
}

/// One limit on connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limit {
    /// The most connections allowed.
    pub limit: u32,
    /// The connections there are, this session included.
    pub used: u32,
}

/// The limits on connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// `max_connections`, and all client sessions.
    pub server: Limit,
    /// Slots kept for superusers (`superuser_reserved_connections`).
    pub superuser_reserved: u32,
    /// Slots kept for members of `pg_use_reserved_connections` (`reserved_connections`, version 16 and later).
    pub reserved: u32,
    /// The role's own limit, if it has one.
    pub role: Option<Limit>,
    /// The database's own limit, if it has one.
    pub database: Option<Limit>,
}

impl Limits {
    /// Returns the number of slots for roles without privileges.
    pub fn ordinary_slots(&self) -> u32 {
        self.server.limit.saturating_sub(self.superuser_reserved + self.reserved)
    }
}

/// A server's description of itself and of its sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inventory {
    /// The identity of the server and of the session that examined it.
    pub identity: Identity,
    /// The limits on connections.
    pub limits: Limits,
    /// The median of several round trips.
    pub round_trip: Duration,
    /// The clients' sessions, in groups.
    pub sessions: Vec<SessionGroup>,
    /// Statements that run for long.
    pub long_statements: Vec<Session>,
    /// Transactions that are idle for long.
    pub idle_in_transaction: Vec<Session>,
    /// Sessions that wait for locks.
    pub blocked: Vec<Blocked>,
    /// Sessions of this role in this database, from other machines, that are idle for longer than `max_lifetime` lets a pool
    /// keep one: their clients may be gone.
    pub abandoned: Vec<Session>,
    /// Settings worth knowing, as the server writes them.
    pub settings: Vec<(String, String)>,
    /// The expected tables and columns that do not exist.
    pub missing: Vec<String>,
}

impl Inventory {
    /// Returns a setting as the server writes it.
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.settings.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The settings that are read with everything else.
const SETTINGS: &str = "'idle_in_transaction_session_timeout', 'idle_session_timeout', 'statement_timeout', 'lock_timeout', \
     'transaction_timeout', 'client_connection_check_interval', 'tcp_keepalives_idle', 'password_encryption', 'ssl', \
     'shared_buffers', 'work_mem'";

/// Reads the inventory over one session.
pub(in crate::diagnose) struct Answers<'a> {
    pub(in crate::diagnose) session: &'a mut StandaloneSession,
    pub(in crate::diagnose) timeout: Duration,
}

/// One row of texts; `None` is NULL.
pub(in crate::diagnose) struct Row(Vec<Option<String>>);

impl Row {
    fn of(block: &ResultBlock, row: usize) -> Self {
        let columns = 0..block.columns().len();
        Self(columns.map(|column| block.text(row, column).map(Into::into)).collect())
    }

    /// `None` for NULL, and for a column that the server did not send.
    fn get(&self, column: usize) -> Option<&str> {
        self.0.get(column)?.as_deref()
    }

    pub(in crate::diagnose) fn text(&self, column: usize) -> String {
        self.get(column).unwrap_or_default().to_owned()
    }

    /// 0 for what is no number.
    pub(in crate::diagnose) fn count(&self, column: usize) -> u32 {
        self.get(column).and_then(|text| text.parse().ok()).unwrap_or_default()
    }

    pub(super) fn seconds(&self, column: usize) -> Duration {
        self.known_seconds(column).unwrap_or_default()
    }

    /// `None` for NULL.
    pub(super) fn known_seconds(&self, column: usize) -> Option<Duration> {
        let seconds = self.get(column)?.parse().ok()?;
        // Clocks that were set back are no reason to say nothing.
        Some(Duration::try_from_secs_f64(seconds).unwrap_or_default())
    }

    pub(in crate::diagnose) fn is_true(&self, column: usize) -> bool {
        self.get(column) == Some("t")
    }

    /// `None` for -1, which stands for no limit.
    fn limit(&self, column: usize, used: u32) -> Option<Limit> {
        self.get(column).and_then(|text| text.parse().ok()).map(|limit| Limit { limit, used })
    }
}

impl Answers<'_> {
    pub(in crate::diagnose) fn rows(&mut self, sql: &str) -> Result<Vec<Row>, Error> {
        self.session.set_deadline(Some(self.timeout));
        let answered = self.session.raw().script(sql);
        self.session.set_deadline(None);
        let rows = |block: &ResultBlock| (0..block.rows()).map(|row| Row::of(block, row)).collect::<Vec<_>>();
        Ok(answered?.iter().flat_map(rows).collect())
    }

    pub(in crate::diagnose) fn row(&mut self, sql: &str) -> Result<Row, Error> {
        let missing =
            || Error::misuse("the server answered a question about itself with nothing: is it PostgreSQL?");
        self.rows(sql)?.into_iter().next().ok_or_else(missing)
    }
}

pub(super) fn take(
    session: &mut StandaloneSession,
    questions: &Questions,
    max_lifetime: Option<Duration>,
    tell: &mut dyn FnMut(&str),
) -> Result<Inventory, Error> {
    let key = session.backend_pid();
    let mut answers = Answers { session, timeout: questions.timeout };
    tell("asking for version, role and limits");
    let identity = identity(&mut answers, key)?;
    let limits = limits(&mut answers)?;
    let round_trip = round_trip(&mut answers)?;
    tell("looking at sessions, statements and locks");
    Ok(Inventory {
        sessions: sessions::groups(&mut answers)?,
        long_statements: sessions::long_statements(&mut answers, questions.long)?,
        idle_in_transaction: sessions::idle_in_transaction(&mut answers, questions.long)?,
        blocked: sessions::blocked(&mut answers, identity.version_number)?,
        abandoned: match max_lifetime {
            Some(longest) => sessions::abandoned(&mut answers, longest)?,
            None => Vec::new(),
        },
        settings: settings(&mut answers)?,
        missing: missing(&mut answers, &questions.expectations)?,
        identity,
        limits,
        round_trip,
    })
}

pub(in crate::diagnose) fn identity(answers: &mut Answers<'_>, key: Option<u32>) -> Result<Identity, Error> {
    let row = answers.row(
        "select current_setting('server_version'), current_setting('server_version_num'), pg_catalog.pg_is_in_recovery(), \
         current_setting('transaction_read_only') = 'on', current_user, pg_catalog.current_database(), \
         (select rolsuper from pg_catalog.pg_roles where rolname = current_user) \
         or pg_catalog.pg_has_role(current_user, 'pg_read_all_stats', 'usage'), pg_catalog.pg_backend_pid()",
    )?;
    let version = answers.row(Pooler::VERSION).ok().map(|row| row.text(0));
    Ok(Identity {
        version: row.text(0),
        version_number: row.count(1),
        in_recovery: row.is_true(2),
        read_only: row.is_true(3),
        user: row.text(4),
        database: row.text(5),
        sees_all: row.is_true(6),
        pooler: Pooler::told_by(key, row.count(7), version),
    })
}

pub(in crate::diagnose) fn limits(answers: &mut Answers<'_>) -> Result<Limits, Error> {
    let row = answers.row(&format!(
        "select current_setting('max_connections'), current_setting('superuser_reserved_connections'), \
         coalesce(current_setting('reserved_connections', true), '0'), \
         case when r.rolsuper then -1 else r.rolconnlimit end, case when r.rolsuper then -1 else d.datconnlimit end, \
         s.used, s.of_role, s.of_database from pg_catalog.pg_roles r, pg_catalog.pg_database d, \
         (select count(*) as used, count(*) filter (where usename = session_user) as of_role, \
         count(*) filter (where datname = pg_catalog.current_database()) as of_database \
         from pg_catalog.pg_stat_activity where {CLIENTS}) s \
         where r.rolname = session_user and d.datname = pg_catalog.current_database()"
    ))?;
    Ok(Limits {
        server: Limit { limit: row.count(0), used: row.count(5) },
        superuser_reserved: row.count(1),
        reserved: row.count(2),
        role: row.limit(3, row.count(6)),
        database: row.limit(4, row.count(7)),
    })
}

fn round_trip(answers: &mut Answers<'_>) -> Result<Duration, Error> {
    let mut times = Vec::new();
    for _ in 0..9 {
        let asked = Instant::now();
        answers.rows("")?;
        times.push(asked.elapsed());
    }
    times.sort();
    Ok(times[times.len() / 2])
}

fn settings(answers: &mut Answers<'_>) -> Result<Vec<(String, String)>, Error> {
    let rows = answers.rows(&format!(
        "select name, pg_catalog.current_setting(name) from pg_catalog.pg_settings where name in ({SETTINGS}) order by 1"
    ))?;
    Ok(rows.iter().map(|row| (row.text(0), row.text(1))).collect())
}

/// Returns the expectations that are not met.
fn missing(answers: &mut Answers<'_>, expectations: &[Expectation]) -> Result<Vec<String>, Error> {
    let mut missing = Vec::new();
    for expected in expectations {
        let table = match &expected.schema {
            Some(schema) => format!("{}.{}", name(schema), name(&expected.table)),
            None => name(&expected.table),
        };
        let is_there = |table: &str, column: Option<&String>| match column {
            None => format!("select pg_catalog.to_regclass({}) is not null", literal(table)),
            Some(column) => format!(
                "select exists (select from pg_catalog.pg_attribute where attrelid = pg_catalog.to_regclass({}) \
                 and attname = {} and attnum > 0 and not attisdropped)",
                literal(table),
                literal(column)
            ),
        };
        let mut found = answers.row(&is_there(&table, expected.column.as_ref()))?.is_true(0);
        // Of two names the first may be a schema.
        if let (false, None, Some(second)) = (found, &expected.schema, &expected.column) {
            let table = format!("{}.{}", name(&expected.table), name(second));
            found = answers.row(&is_there(&table, None))?.is_true(0);
        }
        if !found {
            missing.push(expected.to_string());
        }
    }
    Ok(missing)
}

pub(in crate::diagnose) fn name(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

pub(in crate::diagnose) fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}
