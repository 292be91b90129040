//! Many statements on one connection without waiting for each other's replies.

use std::sync::Arc;

use super::block::ResultBlock;
use super::lane::{Lane, check_count};
use super::request::{self, Request};
use super::statements::Prepared;
use crate::error::{Error, Phase, Result};

impl Lane<'_> {
    /// Sends all statements at once and reads their replies in order. Each stands alone: outside a transaction it commits
    /// by itself, and a failure does not touch those that follow.
    ///
    /// # Errors
    /// The outer error is the connection's: what became of statements without a result is then unknown. The inner ones are
    /// the server's. [`Misuse`](crate::ErrorKind::Misuse) with `statement_cache=0`, since a pooler may spread the
    /// statements over several sessions.
    pub fn pipeline(&mut self, requests: &[Request<'_>]) -> Result<Vec<Result<ResultBlock>>> {
        if !self.keeps_statements() {
            let message = "a pipeline needs prepared statements: set statement_cache above 0";
            return Err(Error::misuse(message).in_phase(Phase::Query));
        }
        let prepared: Vec<Arc<Prepared>> =
            requests.iter().map(|r| self.prepared_for(r)).collect::<Result<_>>()?;
        let mut out = std::mem::take(self.request()?);
        for (request, prepared) in requests.iter().zip(&prepared) {
            let codes = &prepared.shape(request.format).codes;
            request::bind_and_execute(&prepared.name, request.params, codes, &mut out)?;
            request::sync(&mut out);
        }
        *self.request()? = out;
        let mut exchange = self.begin()?;
        let mut results = Vec::with_capacity(requests.len());
        for (request, prepared) in requests.iter().zip(&prepared) {
            let mut block = ResultBlock::new(prepared.shape(request.format).columns.clone());
            let read = exchange.read_rows(&mut block);
            if exchange.is_broken() {
                return Err(read.err().unwrap_or_else(|| exchange.unexpected()));
            }
            // An error that comes only now, at commit, counts too.
            let late = exchange.skip_one()?;
            results.push(match (read, late) {
                (Ok(()), None) => Ok(block),
                (Ok(()), Some(late)) => Err(super::exchange::refused(*late)),
                (Err(e), _) => Err(e),
            });
        }
        exchange.finish();
        Ok(results)
    }

    fn prepared_for(&mut self, request: &Request<'_>) -> Result<Arc<Prepared>> {
        let (prepared, _) = self.prepared(request.sql, request.params)?;
        check_count(&prepared, request.params)?;
        Ok(prepared)
    }
}
