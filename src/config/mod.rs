//! Configuration: one table of options, read from URLs, keyword strings, environment, password and service files.

pub(crate) mod settings;

use settings::{PoolSettings, ServerSettings};

/// Everything a pool needs to know.
#[derive(Debug, Clone)]
pub struct PoolConfig {
    pub(crate) pool: PoolSettings,
    pub(crate) server: ServerSettings,
}
