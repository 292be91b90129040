//! What is between the program and the server.

use std::borrow::Cow;

use holdfast::{Pool, Result};

/// A pooler that was noticed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pooler {
    /// pgpool-II, which says its version. It passes on the key of the server's process.
    Pgpool {
        /// Its version.
        version: String,
    },
    /// Another one (PgBouncer, pgcat, Odyssey, ...): the process that answers is not the one that the session was begun with. None
    /// of them says its name to a client.
    Unnamed,
}

impl Pooler {
    /// Asks over a connection of the pool. Blocks for two statements.
    ///
    /// # Errors
    /// The connection's own. That the second statement fails is the answer of whatever is no pgpool-II.
    pub fn between(pool: &Pool) -> Result<Option<Self>> {
        let mut conn = pool.get()?;
        let key = conn.backend_pid();
        let answering: i32 = conn.query_one("select pg_catalog.pg_backend_pid()", &[])?.get(0);
        let version = conn.raw()?.script(Self::VERSION).ok();
        let version = version.and_then(|results| results.first()?.text(0, 0).map(Cow::into_owned));
        Ok(Self::told_by(key, u32::try_from(answering).unwrap_or_default(), version))
    }

    /// Asks for pgpool-II, which answers this itself. A server knows no such setting.
    pub(in crate::diagnose) const VERSION: &str = "show pool_version";

    /// Judges by the process in the session's key, the process that answers, and the answer to [`VERSION`](Self::VERSION). A server
    /// that gave no key shows nothing.
    pub(in crate::diagnose) fn told_by(
        key: Option<u32>,
        answering: u32,
        version: Option<String>,
    ) -> Option<Self> {
        match version {
            Some(version) => Some(Self::Pgpool { version }),
            None => key.is_some_and(|key| key != answering).then_some(Self::Unnamed),
        }
    }

    /// Returns its name for people.
    pub fn name(&self) -> String {
        match self {
            Self::Pgpool { version } => format!("pgpool-II {version}"),
            Self::Unnamed => "a pooler".to_owned(),
        }
    }

    /// Returns what it changes for a pool, and what has to be set.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Pgpool { .. } => {
                "max_size of all pools together counts against pgpool-II's num_init_children; set its reserved_connections=1, so that \
                 clients beyond them are refused, which a pool waits out, instead of being left without an answer"
            }
            Self::Unnamed => {
                "max_size counts against the pooler's limits; in transaction mode session settings and LISTEN do not last, \
                 and of prepared statements the pool makes no use where the pooler does not follow them: nothing has to be set"
            }
        }
    }
}
