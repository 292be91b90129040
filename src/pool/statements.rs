//! Prepared statements of one connection, kept by their text; least recently used first out.

use std::num::NonZeroUsize;

use lru::LruCache;
use postgres::error::SqlState;
use postgres::{GenericClient, Statement};

pub(super) struct StatementCache(Option<LruCache<Box<str>, Statement>>);

impl StatementCache {
    /// A cache of `capacity` statements; 0 prepares nothing by name.
    pub(super) fn new(capacity: usize) -> Self {
        // Grown on demand: most connections see few different statements.
        Self(NonZeroUsize::new(capacity).map(|capacity| {
            let mut cache = LruCache::unbounded();
            cache.resize(capacity);
            cache
        }))
    }

    /// Whether statements may be prepared by name and kept.
    pub(super) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// The statement for `sql`, prepared now unless it is cached.
    pub(super) fn prepare(
        &mut self,
        client: &mut impl GenericClient,
        sql: &str,
    ) -> Result<Statement, postgres::Error> {
        let Some(cache) = &mut self.0 else { return client.prepare(sql) };
        if let Some(statement) = cache.get(sql) {
            return Ok(statement.clone());
        }
        let statement = client.prepare(sql)?;
        // What this pushes out is closed on the server with the next request.
        cache.put(sql.into(), statement.clone());
        Ok(statement)
    }

    pub(super) fn forget(&mut self, sql: &str) {
        if let Some(cache) = &mut self.0 {
            cache.pop(sql);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, LruCache::len)
    }
}

/// Whether the server refused to run a prepared statement because it no longer fits: a table changed under it
/// (`plancache.c`), or somebody deallocated it. Both are found in `Bind`, before anything runs, so preparing it anew and
/// running it again repeats nothing; that the error did come from there is for the caller to make sure.
pub(super) fn is_stale(error: &postgres::Error) -> bool {
    let Some(db) = error.as_db_error() else { return false };
    match *db.code() {
        SqlState::FEATURE_NOT_SUPPORTED => {
            db.routine() == Some("RevalidateCachedQuery")
                || db.message() == "cached plan must not change result type"
        }
        SqlState::INVALID_SQL_STATEMENT_NAME => true,
        _ => false,
    }
}
