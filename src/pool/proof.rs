//! Asking a connection whether it is what it should be: alive, and at a server of the right role.

use std::time::{Duration, Instant};

use super::inner::Inner;
use super::open_connection::OpenConnection;
use crate::clock::Tick;

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Fit,
    /// The server is alive, and has not the role that `target_session_attrs` asks for; why.
    Unfit(&'static str),
    /// None in time, or none that makes sense.
    Dead,
}

impl Inner {
    /// A round trip, in bounded time. Where a role is asked for that is what the server is asked for: an answer costs it no
    /// more than an empty one, and roles change while connections are idle.
    pub(super) fn ask(&self, conn: &mut OpenConnection, limit: Duration) -> Answer {
        let era = self.trust.era();
        let asked = Instant::now();
        conn.link.set_deadline(Some(asked + limit));
        let answer = if self.asks_for_role {
            match self.connector.misfit(&mut conn.client, &conn.link) {
                Ok(None) => Answer::Fit,
                Ok(Some(why)) => Answer::Unfit(why),
                Err(_) => Answer::Dead,
            }
        } else if conn.client.batch_execute("").is_ok() {
            Answer::Fit
        } else {
            Answer::Dead
        };
        let answer = if conn.link.is_clean() { answer } else { Answer::Dead };
        conn.link.set_deadline(None);
        if answer == Answer::Fit {
            self.meters.proved(asked.elapsed());
            conn.heard_at = Tick::now();
            conn.era = era;
            conn.doubtful = false;
            conn.link.forget_role_signs();
        }
        answer
    }
}
