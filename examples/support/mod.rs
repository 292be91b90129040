//! Where the examples find a database: `DATABASE_URL`, or else a private server from the PostgreSQL that is installed.

use std::env;
use std::error::Error;

use holdfast_testkit::embedded::EmbeddedPostgres;

/// A database to play with. A private server lives as long as this does.
pub(crate) struct Database {
    pub(crate) url: String,
    _server: Option<EmbeddedPostgres>,
}

pub(crate) fn database() -> Result<Database, Box<dyn Error>> {
    match env::var("DATABASE_URL") {
        Ok(url) if !url.is_empty() => Ok(Database { url, _server: None }),
        _ => {
            let server = EmbeddedPostgres::start()?;
            Ok(Database { url: server.url(), _server: Some(server) })
        }
    }
}
