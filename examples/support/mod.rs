//! Where the examples find a database: `DATABASE_URL`, or else a private server from the PostgreSQL that is installed.

use std::env;
use std::error::Error;

/// A database to play with. A private server lives as long as this does.
pub(crate) struct Database {
    pub(crate) url: String,
    #[cfg(feature = "embedded")]
    _server: Option<holdfast::embedded::EmbeddedPostgres>,
}

pub(crate) fn database() -> Result<Database, Box<dyn Error>> {
    match env::var("DATABASE_URL") {
        Ok(url) if !url.is_empty() => Ok(Database {
            url,
            #[cfg(feature = "embedded")]
            _server: None,
        }),
        _ => private(),
    }
}

#[cfg(feature = "embedded")]
fn private() -> Result<Database, Box<dyn Error>> {
    let server = holdfast::embedded::EmbeddedPostgres::start()?;
    Ok(Database { url: server.url(), _server: Some(server) })
}

#[cfg(not(feature = "embedded"))]
fn private() -> Result<Database, Box<dyn Error>> {
    Err("set DATABASE_URL, or add --features embedded for a private server".into())
}
