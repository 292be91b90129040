//! Batches: statements of different callers sent in one piece on one connection, and answered one by one. Each has its own
//! `Sync`, so none fails with another.

use std::collections::VecDeque;
use std::sync::Arc;

use super::prepared::Prepared;
use super::statement::{Sql, check_count};
use crate::error::{Error, Result};
use crate::session::exchange::request;
use crate::session::exchange::request::{Param, ResultFormat};
use crate::session::exchange::{Exchange, refused};
use crate::session::raw_session::RawSession;
use crate::session::transfer::result::{Column, ResultBlock};

/// A statement that the server has prepared by name.
pub(crate) struct Ready {
    prepared: Arc<Prepared>,
    format: ResultFormat,
}

/// The statements of a batch under way.
pub(crate) struct Batch<'a> {
    /// `None` after the last reply, or once the connection is lost.
    exchange: Option<Exchange<'a>>,
    /// The error of sending the batch. Some statements may have been sent.
    unsent: Option<Error>,
    /// The statements whose results are still to come, and their columns.
    expected: VecDeque<(Arc<Prepared>, Arc<[Column]>)>,
}

impl RawSession<'_> {
    /// Prepares a statement unless the server has it. Returns `None` for one that can only be sent alone.
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
                // Statements that later ones evict from the cache must not be closed before they have run.
                self.request_closing_nothing();
                self.prepare_now(sql, params)?
            }
        };
        check_count(prepared.parameters().len(), params.len())?;
        Ok(prepared.is_named().then_some(Ready { prepared, format }))
    }

    /// Sends in one piece all statements that `write` passes to its argument.
    ///
    /// # Errors
    /// The error of `write`; nothing was sent then.
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
            request::execute(&mut out);
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
    /// Returns the next result; `None` after the last one, and after a connection's error. A stale statement is prepared anew
    /// at its next use, and its error is marked as such.
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
        if exchange.is_abandoned() {
            return read.err().map(Err);
        }
        // Replies received before the connection was lost are still read. An error that comes only now, at commit, counts too.
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
