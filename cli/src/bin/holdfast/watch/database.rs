//! Looks at a database, over one connection of its own.

use std::sync::OnceLock;
use std::time::Duration;

use holdfast::Row;
use holdfast::{Pool, PoolConfig};
use holdfast_cli::diagnose::{Pooler, without_literals};

use super::look::{ServerLook, Session};

const LIMITS: &str = "select current_setting('server_version'), current_setting('max_connections')::int4, \
     current_setting('superuser_reserved_connections')::int4 + coalesce(current_setting('reserved_connections', true), '0')::int4";

/// State and statement of others' sessions are NULL for a role that may not see them.
const SESSIONS: &str = "select pid, pg_catalog.regexp_replace(coalesce(application_name, ''), '(^| )hf:[0-9a-f]{8}$', ''), \
     pg_catalog.substring(application_name, '(?:^| )hf:([0-9a-f]{8})$'), coalesce(usename::text, ''), coalesce(state, ''), \
     coalesce(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - \
     case when state = 'active' then query_start else state_change end), 0)::float8, \
     coalesce(wait_event_type = 'Lock', false), coalesce(query, '') \
     from pg_catalog.pg_stat_activity where datid is not null and usesysid is not null \
     and coalesce(backend_type, 'client backend') = 'client backend' and pid <> pg_catalog.pg_backend_pid()";

/// A database that is looked at.
pub(super) struct Database {
    pool: Pool,
    /// Found out at the first look that succeeds.
    pooler: OnceLock<Option<String>>,
}

impl Database {
    /// Connects to nothing yet.
    pub(super) fn new(config: PoolConfig) -> holdfast::Result<Self> {
        const PATIENCE: Duration = Duration::from_secs(3);
        // One connection that stays; whether the database is there shows at the next look, so nothing is tried twice.
        let config = config
            .application_name("holdfast watch")
            .max_size(1)
            .min_idle(0)
            .fleet_share(false)
            .retry_max(0)
            .breaker_after(None)
            .connection_timeout(PATIENCE)
            .statement_deadline(PATIENCE)
            .validation_timeout(PATIENCE)
            .idle_timeout(Duration::from_secs(3_600))
            .max_lifetime(None)
            .keepalive_interval(None);
        Ok(Self { pool: Pool::new(config)?, pooler: OnceLock::new() })
    }

    /// Blocks for some seconds at most.
    pub(super) fn look(&self) -> Result<ServerLook, String> {
        self.ask().map_err(|error| error.to_string())
    }

    fn ask(&self) -> holdfast::Result<ServerLook> {
        let pooler = match self.pooler.get() {
            Some(known) => known.clone(),
            None => {
                let found = Pooler::between(&self.pool)?.as_ref().map(Pooler::name);
                self.pooler.get_or_init(|| found).clone()
            }
        };
        let limits = self.pool.query_one(LIMITS, &[])?;
        let sessions = self.pool.query(SESSIONS, &[])?;
        Ok(ServerLook {
            target: self.pool.target(),
            version: limits.get(0),
            pooler,
            max_connections: count(&limits, 1),
            reserved: count(&limits, 2),
            sessions: sessions.iter().map(session).collect(),
        })
    }
}

fn count(row: &Row, column: usize) -> u32 {
    u32::try_from(row.get::<_, i32>(column)).unwrap_or_default()
}

fn session(row: &Row) -> Session {
    Session {
        pid: row.get(0),
        application: row.get(1),
        mark: row.get(2),
        user: row.get(3),
        state: row.get(4),
        since: Duration::try_from_secs_f64(row.get(5)).unwrap_or_default(),
        waits_for_lock: row.get(6),
        statement: without_literals(row.get(7)),
    }
}
