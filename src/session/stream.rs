//! A result larger than memory: read in portions, at the caller's pace. The server is held back by the network's own flow
//! control, so nothing piles up on either side.

use std::sync::Arc;

use super::block::{Column, ResultBlock};
use super::exchange::{Exchange, Reply, refused};
use super::lane::{Lane, end};
use super::request::{self, Param, ResultFormat};
use crate::error::{Error, Result};

/// The rows of one statement, portion by portion. Dropped before the end, it leaves the connection to be cancelled and
/// drained by the pool.
pub struct RowStream<'a> {
    /// `None` once the statement is over.
    exchange: Option<Exchange<'a>>,
    columns: Arc<[Column]>,
    tag: String,
}

impl Lane<'_> {
    /// Runs a statement whose rows are to be read in portions.
    pub fn stream(&mut self, sql: &str, params: &[Param<'_>], format: ResultFormat) -> Result<RowStream<'_>> {
        let name_is_kept = self.keeps_statements();
        let (name, columns) = if name_is_kept {
            let (prepared, _) = self.prepared(sql, params)?;
            (prepared.name.clone(), prepared.shape(format).columns.clone())
        } else {
            (String::new(), [].into())
        };
        let format =
            if !name_is_kept && format == ResultFormat::Automatic { ResultFormat::Text } else { format };
        let out = self.request()?;
        if !name_is_kept {
            request::parse("", sql, params, out)?;
            request::describe_statement("", out)?;
        }
        request::bind_and_execute(&name, params, &format.codes(&columns), out)?;
        request::sync(out);
        let mut exchange = self.begin()?;
        let columns = match describe(&mut exchange, name_is_kept, &columns, format) {
            Ok(columns) => columns,
            Err(e) => return end(exchange, Err(e)),
        };
        Ok(RowStream { exchange: Some(exchange), columns, tag: String::new() })
    }
}

/// Reads up to the end of `Bind`, so that a refusal of the statement is known before the first portion is asked for.
fn describe(
    exchange: &mut Exchange<'_>,
    known: bool,
    columns: &[Column],
    format: ResultFormat,
) -> Result<Arc<[Column]>> {
    let mut described = known.then(|| columns.to_vec());
    let mut steps_left = if known { 1 } else { 2 };
    while steps_left > 0 {
        match exchange.next()?.0 {
            Reply::Step => steps_left -= 1,
            Reply::ParameterTypes(_) => {}
            Reply::Described(columns) => described = Some(columns),
            Reply::NoRows => described = Some(Vec::new()),
            Reply::Error(e) => return Err(refused(*e)),
            _ => return Err(exchange.unexpected()),
        }
    }
    Ok(format.applied_to(&described.unwrap_or_default()))
}

impl RowStream<'_> {
    /// The description of the columns.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// What the server did, once the last portion was read.
    pub fn command_tag(&self) -> &str {
        &self.tag
    }

    /// The next rows, at most `most`; `None` at the end.
    ///
    /// # Errors
    /// What the server says in the middle of the result; the stream is then over.
    pub fn next_portion(&mut self, most: usize) -> Result<Option<ResultBlock>> {
        let Some(mut exchange) = self.exchange.take() else { return Ok(None) };
        let mut block = ResultBlock::new(self.columns.clone());
        match read_portion(&mut exchange, &mut block, most) {
            Ok(None) => self.exchange = Some(exchange),
            Ok(Some(tag)) => {
                end(exchange, Ok(()))?;
                self.tag = tag.clone();
                block.finish(tag);
            }
            Err(e) => return end(exchange, Err(e)),
        }
        Ok((block.rows() > 0 || self.exchange.is_some()).then_some(block))
    }
}

/// `Some` with the command tag when the statement is over.
fn read_portion(
    exchange: &mut Exchange<'_>,
    block: &mut ResultBlock,
    most: usize,
) -> Result<Option<String>, Error> {
    while block.rows() < most {
        let (reply, message) = exchange.next()?;
        match reply {
            Reply::Row => exchange.push_row(block, &message)?,
            Reply::Complete(tag) => return Ok(Some(tag)),
            Reply::EmptyQuery => return Ok(Some(String::new())),
            Reply::Error(e) => return Err(refused(*e)),
            Reply::CopyIn => return Err(exchange.refuse_copy(true)),
            Reply::CopyOut => return Err(super::exchange::copy_by_query()),
            _ => return Err(exchange.unexpected()),
        }
    }
    Ok(None)
}
