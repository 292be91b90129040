//! The database that is verified.

use std::time::Duration;

use holdfast::{Pool, PoolConfig, Result};
use holdfast_testkit::embedded::{self, EmbeddedPostgres};

/// The role and the database of a private server's checks: no superuser, since those get the slots kept for them.
const ROLE: &str = "app";
const DATABASE: &str = "shop";
/// Small, so that a scene can fill it.
const MAX_CONNECTIONS: u32 = 20;

/// The database that [`verify`](super::verify()) checks.
#[derive(Debug)]
pub enum Subject {
    /// A database in use: only harmless checks run there.
    Database(Box<PoolConfig>),
    /// A private server, to which anything may be done.
    Private(EmbeddedPostgres),
}

impl Subject {
    /// Starts a private server from the PostgreSQL that is installed.
    ///
    /// # Errors
    /// There is none, or it does not start: the error names the folders that were searched and the package to install.
    pub fn private() -> Result<Self, embedded::Error> {
        let server = EmbeddedPostgres::builder()
            .max_connections(MAX_CONNECTIONS)
            .role(ROLE, "")
            .sql(format!("CREATE DATABASE {DATABASE} OWNER {ROLE}"))
            .start()?;
        Ok(Self::Private(server))
    }

    /// Returns the server, if it is a private one.
    pub fn server(&self) -> Option<&EmbeddedPostgres> {
        match self {
            Self::Database(_) => None,
            Self::Private(server) => Some(server),
        }
    }

    /// The configuration of the cure for this database. What reaches the server is the user's, what the pool does is
    /// spelled out, so that a check measures the same whatever the environment says.
    pub(super) fn config(&self) -> Result<PoolConfig> {
        let config = match self {
            Self::Database(config) => (**config).clone(),
            Self::Private(server) => {
                PoolConfig::from_url(&url(server))?.sslmode(holdfast::config::SslMode::Disable)
            }
        };
        Ok(config
            .fallback_application_name("holdfast verify")
            .max_size(8)
            .min_idle(0)
            .idle_timeout(Duration::from_secs(15))
            .connection_timeout(Duration::from_secs(8))
            .retry_max(2)
            .retry_base_delay(Duration::from_secs(1))
            .retry_max_delay(Duration::from_secs(5))
            .retry_jitter(0.2)
            .validate_after_idle(Duration::from_millis(500))
            .statement_deadline(Duration::from_secs(30)))
    }

    /// A pool of at most `max_size` connections.
    pub(super) fn pool(&self, max_size: u32) -> Result<Pool> {
        Pool::new(self.config()?.max_size(max_size))
    }
}

/// Returns the connection string of a private server for an ordinary client.
pub(super) fn url(server: &EmbeddedPostgres) -> String {
    server.url_for(ROLE, DATABASE)
}
