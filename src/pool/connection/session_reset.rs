//! The reset of a session between two checkouts: the option `session_reset`.

use std::time::Instant;

use super::server_connection::OpenConnection;
use crate::config::SessionReset;
use crate::error::Error;
use crate::link::Leftover;

/// What `DISCARD ALL` does, but for prepared statements and plans. One message, so that it is one transaction and goes to one
/// server connection where a pooler is in between. The caller's `statement_timeout` bounds its first statement only.
macro_rules! state {
    () => {
        "set statement_timeout = 0; set session authorization default; reset role; reset all; close all; unlisten *; \
         select pg_catalog.pg_advisory_unlock_all(); discard temp; discard sequences; select pg_catalog.pg_backend_pid()"
    };
}
const STATE_SQL: &str = state!();
/// All of `DISCARD ALL`, which cannot be part of a message with other statements itself.
const DISCARD_SQL: &str = concat!("deallocate all; discard plans; ", state!());

/// The outcome of a reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pool) enum Reset {
    Done,
    /// Another session than the one that was opened has answered: a pooler is between.
    BehindPooler,
}

impl OpenConnection {
    /// Resets the session, to be answered by `deadline`.
    ///
    /// # Errors
    /// The server's error, or the loss of the connection: then the session is in no known state.
    pub(in crate::pool) fn reset_session(
        &mut self,
        extent: SessionReset,
        deadline: Instant,
    ) -> Result<Reset, Error> {
        let sql = match extent {
            SessionReset::None => return Ok(Reset::Done),
            SessionReset::State => STATE_SQL,
            SessionReset::Discard => DISCARD_SQL,
        };
        let rows = self.run_for_pool(sql, deadline)?;
        self.link.forget_leftover(Leftover::Channels);
        let opened = self.link.backend_key().map(|key| key.process_id);
        let answered = rows.last().and_then(|row| row.number::<u32>(0));
        let is_same = opened.is_none() || answered.is_none() || opened == answered;
        Ok(if is_same { Reset::Done } else { Reset::BehindPooler })
    }
}
