//! Statements of different callers sent at once on one connection, and answered one by one. Each has its own `Sync`, so each
//! stands alone.

use std::collections::VecDeque;
use std::sync::Arc;

use super::prepared::Prepared;
use super::statement::{Sql, check_count};
use crate::error::{Error, Result};
use crate::session::exchange::request;
use crate::session::exchange::request::{Param, ResultFormat};
use crate::session::exchange::{Exchange, refused};
use crate::session::lane::Lane;
use crate::session::transfer::result::{Column, ResultBlock};

/// A statement that the server knows by name.
pub(crate) struct Ready {
    prepared: Arc<Prepared>,
    format: ResultFormat,
}

/// Statements under way.
pub(crate) struct Batch<'a> {
    /// `None` after the last reply, or when the connection was lost.
    exchange: Option<Exchange<'a>>,
    /// What became of sending them, if it failed: some may have been sent.
    unsent: Option<Error>,
    /// The statements whose results are to come, and their columns.
    expected: VecDeque<(Arc<Prepared>, Arc<[Column]>)>,
}

impl Lane<'_> {
    /// Prepares a statement unless the server knows it. `None` when it can only be sent alone.
    pub(crate) fn ready(
        &mut self,
        sql: Sql<'_>,
        params: &[Param<'_>],
        format: ResultFormat,
    ) -> Result<Option<Ready>> {
        self.start()?;
        if !self.statements().is_named() {
            return Ok(None);
        }
        sql.check(params)?;
        let prepared = match self.statements().find(sql, params) {
            Some(prepared) => prepared,
            None => {
                // What others push out that are made ready after it is not closed before it has run.
                self.request_closing_nothing();
                self.prepare_now(sql, params)?
            }
        };
        check_count(prepared.parameters().len(), params.len())?;
        Ok(prepared.is_named().then_some(Ready { prepared, format }))
    }

    /// Sends what `write` writes with the function it is given, in one piece.
    ///
    /// # Errors
    /// What `write` says; nothing was sent then.
    pub(crate) fn send_batch(
        &mut self,
        write: impl FnOnce(&mut dyn FnMut(&Ready, &[Param<'_>]) -> Result<()>) -> Result<()>,
    ) -> Result<Batch<'_>> {
        self.start()?;
        let settings = self.text_settings();
        let mut expected = VecDeque::new();
        let mut out = std::mem::take(self.request_closing_nothing());
        write(&mut |ready, params| {
            let shape = ready.prepared.shape(ready.format, settings);
            request::bind(&ready.prepared.name, params, &shape.codes, &mut out)?;
            request::execute(&mut out)?;
            request::sync(&mut out);
            expected.push_back((ready.prepared.clone(), shape.columns.clone()));
            Ok(())
        })?;
        *self.out() = out;
        Ok(match self.begin() {
            Ok(exchange) => Batch { exchange: Some(exchange), unsent: None, expected },
            Err(e) => Batch { exchange: None, unsent: Some(e), expected },
        })
    }
}

impl Batch<'_> {
    /// The next result; `None` after the last one. Nothing follows a connection's error. A statement that was stale is prepared
    /// anew the next time: its error says so.
    pub(crate) fn next(&mut self) -> Option<Result<ResultBlock>> {
        if let Some(error) = self.unsent.take() {
            return Some(Err(error));
        }
        let (prepared, columns) = self.expected.pop_front()?;
        let mut exchange = self.exchange.take()?;
        let mut block = ResultBlock::new(columns);
        let read = match exchange.await_bound() {
            Ok(()) => exchange.read_rows(&mut block),
            Err(e) => Err(exchange.check_stale(e, &prepared, false, false)),
        };
        if exchange.is_given_up() {
            return read.err().map(Err);
        }
        // Of a connection that was lost, what had come before is still read. An error that comes only now, at commit, counts
        // too.
        let late = match exchange.skip_one() {
            Ok(late) => late,
            Err(broken) => return Some(Err(read.err().unwrap_or(broken))),
        };
        if self.expected.is_empty() {
            exchange.finish();
        } else {
            self.exchange = Some(exchange);
        }
        Some(match (read, late) {
            (Ok(()), None) => Ok(block),
            (Ok(()), Some(late)) => Err(refused(*late)),
            (Err(e), _) => Err(e),
        })
    }
}
