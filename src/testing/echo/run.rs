//! Runs statements: the actions before the first row, the rows, the tag.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Session;
use super::convert::{BINARY, TEXT as AS_TEXT};
use super::statement::{Action, Statement};
use super::transaction::{Answer, Transaction};
use super::wire::{Refusal, Wire};

/// A statement with its parameters, ready to run.
pub(super) struct Portal {
    pub(super) statement: Arc<Statement>,
    /// The parameters, in the formats of the result.
    pub(super) values: Vec<Option<Vec<u8>>>,
    /// The format of each column of the result.
    pub(super) formats: Vec<u16>,
    /// The rows returned so far; `None` before the portal has run.
    pub(super) returned: Option<u32>,
}

/// The reason why a statement did not run to its end.
pub(super) enum Stop {
    /// An error that is sent to the client; the session continues.
    Refused(Refusal),
    /// The connection has ended.
    Ended(io::Error),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Ended(error)
    }
}

/// The parts of a session that running a statement changes.
pub(super) struct Runner<'a> {
    pub(super) wire: &'a mut Wire,
    pub(super) session: &'a Session,
    pub(super) transaction: &'a mut Transaction,
    /// Notifications to send when the statement is over, as a server does at the end of a transaction.
    pub(super) notifications: &'a mut Vec<(String, String)>,
}

/// The interval at which a sleep checks for a hangup of the client.
const HANGUP_CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// The number of rows between two checks for a cancel request.
const ROWS_BETWEEN_CHECKS: u32 = 128;

impl Runner<'_> {
    /// Runs or resumes a portal, for at most `limit` rows; 0 for all.
    pub(super) fn run(&mut self, portal: &mut Portal, limit: u32) -> Result<(), Stop> {
        let tag = match portal.returned {
            Some(_) => None,
            None => self.begin(&portal.statement)?,
        };
        match (&portal.statement.action, tag) {
            (Action::Nothing, _) => self.wire.put(b'I', |_| {}),
            (_, Some(tag)) => self.wire.put(b'C', |body| body.text(tag)),
            (_, None) => self.put_rows(portal, limit)?,
        }
        Ok(())
    }

    /// Runs a statement up to its first row. Returns its tag, if it returns no rows.
    fn begin(&mut self, statement: &Statement) -> Result<Option<&'static str>, Stop> {
        self.session.begin_statement();
        self.transaction.admit(&statement.action)?;
        match &statement.action {
            Action::Transaction(verb) => {
                let Answer { tag, warning } = self.transaction.run(verb)?;
                if let Some((code, message)) = warning {
                    self.wire.put_report(b'N', "WARNING", code, message);
                }
                return Ok(Some(tag));
            }
            Action::Error { code, message } => {
                return Err(Refusal::error(code.as_str(), message.as_str()).into());
            }
            Action::HangUp => return Err(io::Error::from(io::ErrorKind::ConnectionAborted).into()),
            Action::Sleep(time) => self.sleep(*time)?,
            Action::Notice(text) => self.wire.put_report(b'N', "NOTICE", "00000", text),
            Action::Notify { channel, payload } => {
                self.notifications.push((channel.clone(), payload.clone()));
            }
            Action::Nothing | Action::Echo | Action::Rows(_) => {}
        }
        Ok(None)
    }

    fn sleep(&self, time: Duration) -> Result<(), Stop> {
        // A year at most, since the sum could be too late for an `Instant`.
        let end = Instant::now() + time.min(Duration::from_secs(365 * 86_400));
        while Instant::now() < end {
            self.check()?;
            if self.wire.has_hung_up() {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            self.session.wait(end, HANGUP_CHECK_INTERVAL);
        }
        Ok(())
    }

    /// Checks that the statement is not cancelled.
    fn check(&self) -> Result<(), Refusal> {
        if self.session.is_cancelled() {
            return Err(Refusal::error("57014", "canceling statement due to user request"));
        }
        Ok(())
    }

    fn put_rows(&mut self, portal: &mut Portal, limit: u32) -> Result<(), Stop> {
        let done = portal.returned.unwrap_or(0);
        let all = portal.statement.rows();
        let end = if limit == 0 { all } else { done.saturating_add(limit).min(all) };
        for row in done..end {
            self.put_row(portal, row + 1);
            if row % ROWS_BETWEEN_CHECKS == 0 {
                self.check()?;
            }
            self.wire.flush_if_much()?;
        }
        portal.returned = Some(end);
        if limit != 0 && end - done == limit {
            self.wire.put(b's', |_| {});
        } else {
            self.wire.put(b'C', |body| body.text(&format!("SELECT {}", end - done)));
        }
        Ok(())
    }

    /// Sends row number `n`, counted from 1.
    fn put_row(&mut self, portal: &Portal, n: u32) {
        let statement = &portal.statement;
        self.wire.put(b'D', |body| {
            body.int2(portal.formats.len());
            match &statement.action {
                Action::Rows(_) => {
                    let binary = portal.formats.first() == Some(&BINARY);
                    let number = if binary { n.to_be_bytes().to_vec() } else { n.to_string().into_bytes() };
                    body.value(Some(&number));
                    body.value(Some(format!("row {n}").as_bytes()));
                }
                Action::Echo if !statement.parameters.is_empty() => {
                    portal.values.iter().for_each(|value| body.value(value.as_deref()));
                }
                _ => body.value(Some(statement.text.as_bytes())),
            }
        });
    }
}

impl Portal {
    /// Makes a portal of a statement without parameters, whose result is text.
    pub(super) fn as_text(statement: Statement) -> Self {
        let columns = statement.columns().map_or(0, |columns| columns.len());
        Self {
            statement: Arc::new(statement),
            values: Vec::new(),
            formats: vec![AS_TEXT; columns],
            returned: None,
        }
    }
}
