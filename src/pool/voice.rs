//! Short statements of the pool's own, said the way in which the connection is used just now.

use postgres::SimpleQueryMessage;

use super::connection::PooledConnection;
use crate::error::{Error, Result};

/// Which of the two lanes a transaction is run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Voice {
    /// `postgres::Client`, whose replies come without command tags.
    Client,
    #[cfg(feature = "capi")]
    Lane,
}

/// What the server answered.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// `None` where it cannot be known.
    pub(super) tag: Option<String>,
    /// The values of the first row.
    pub(super) row: Vec<Option<String>>,
}

impl PooledConnection {
    /// Runs one statement in the simple protocol.
    pub(super) fn say(&mut self, voice: Voice, sql: &str) -> Result<Said> {
        let said = match voice {
            Voice::Client => self.say_by_client(sql),
            #[cfg(feature = "capi")]
            Voice::Lane => self.say_by_lane(sql),
        };
        said.map_err(|e| e.at_target(self.target()))
    }

    fn say_by_client(&mut self, sql: &str) -> Result<Said> {
        let messages = self.simple_query(sql).map_err(Error::from)?;
        let row = messages.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|column| row.get(column).map(str::to_owned)).collect())
            }
            _ => None,
        });
        Ok(Said { tag: None, row: row.unwrap_or_default() })
    }

    #[cfg(feature = "capi")]
    fn say_by_lane(&mut self, sql: &str) -> Result<Said> {
        let blocks = self.lane()?.script(sql)?;
        let Some(block) = blocks.first() else { return Ok(Said::default()) };
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let columns = if block.rows() > 0 { block.columns().len() } else { 0 };
        let row = (0..columns).map(|column| block.cell(0, column).map(text)).collect();
        Ok(Said { tag: Some(block.command_tag().to_owned()), row })
    }
}
