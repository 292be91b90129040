//! Statements whose results come in one piece: prepared ones, unnamed ones, scripts.

use std::sync::Arc;

use super::block::ResultBlock;
use super::exchange::{Reply, copy_by_query, refused};
use super::lane::{Lane, end};
use super::prepared::Prepared;
use super::request::{self, Param, ResultFormat};
use super::statement::Sql;
use super::values::BindValues;
use crate::error::Result;
use crate::link::CopyIn;

impl Lane<'_> {
    /// Runs one statement and returns its rows: a text, prepared at first use and kept with the connection unless
    /// `statement_cache` is 0, or a [`Statement`](super::Statement).
    ///
    /// A cached statement that no longer fits because a table, a type or the `search_path` changed is prepared anew and run
    /// again: the server found that out before it ran anything. Inside a transaction the error stands, since the transaction
    /// has failed, and is retryable.
    ///
    /// # Errors
    /// What the server says; [`Misuse`](crate::ErrorKind::Misuse) if the parameters are not as many as those of the
    /// statement, or of another type than a [`Statement`](super::Statement) has them.
    pub fn query<'a>(
        &mut self,
        sql: impl Into<Sql<'a>>,
        params: &[Param<'_>],
        format: ResultFormat,
    ) -> Result<ResultBlock> {
        let sql = sql.into();
        self.start()?;
        if !self.statements().is_named() && self.statements().find(sql, params).is_none() {
            return self.query_undescribed(sql, params, format);
        }
        self.query_known(sql, params, format).map(|(block, _)| block)
    }

    /// The same with values of any kind. Also returns the statement as it was run, which tells how to read the values.
    #[inline]
    pub(crate) fn query_values<V: BindValues + ?Sized>(
        &mut self,
        sql: Sql<'_>,
        values: &V,
        format: ResultFormat,
    ) -> Result<(ResultBlock, Arc<Prepared>)> {
        self.start()?;
        self.query_known(sql, values, format)
    }

    #[inline]
    fn query_known<V: BindValues + ?Sized>(
        &mut self,
        sql: Sql<'_>,
        values: &V,
        format: ResultFormat,
    ) -> Result<(ResultBlock, Arc<Prepared>)> {
        sql.check(values)?;
        self.with_prepared(sql, values, |lane, prepared| lane.execute(sql, prepared, values, format))
    }

    #[inline]
    fn execute<V: BindValues + ?Sized>(
        &mut self,
        sql: Sql<'_>,
        prepared: &Prepared,
        values: &V,
        format: ResultFormat,
    ) -> Result<ResultBlock> {
        let shape = prepared.shape(format, self.text_settings());
        let out = self.request()?;
        request::bind_values("", sql, prepared, values, &shape.codes, out)?;
        request::execute(out)?;
        request::sync(out);
        let mut exchange = self.begin()?;
        if prepared.is_named() {
            let read = prepared.read(&shape.columns, |block| exchange.read_rows(block));
            return end(exchange, read);
        }
        let columns = exchange.await_columns(prepared, shape);
        let read = columns.and_then(|columns| prepared.read(&columns, |block| exchange.read_rows(block)));
        end(exchange, read)
    }

    /// Everything in one request, with what is learnt on the way kept for the next time: where nothing is prepared by name, and
    /// the values need no description. The types of the result are not known beforehand, so automatic format means text here.
    fn query_undescribed(
        &mut self,
        sql: Sql<'_>,
        params: &[Param<'_>],
        format: ResultFormat,
    ) -> Result<ResultBlock> {
        sql.check(params)?;
        let (format, settings) = (format.unless_automatic(), self.text_settings());
        let key = self.statements().key_of(sql, params);
        let out = self.request()?;
        request::bind_undescribed(sql, params, format, out)?;
        request::execute(out)?;
        request::sync(out);
        let mut exchange = self.begin()?;
        let read = exchange.await_described_and_bound(key).and_then(|prepared| {
            let columns = &prepared.shape(format, settings).columns;
            prepared.read(columns, |block| exchange.read_rows(block))
        });
        end(exchange, read)
    }

    /// Runs a text of one or more statements without parameters; a block for each statement, values as text. They form
    /// one transaction unless the text says otherwise, and an error ends the whole text.
    pub fn script(&mut self, sql: &str) -> Result<Vec<ResultBlock>> {
        self.start()?;
        request::query(sql, self.request()?)?;
        let mut exchange = self.begin()?;
        let mut blocks = Vec::new();
        let mut current = ResultBlock::new([].into());
        let failure = loop {
            let (reply, message) = exchange.next()?;
            match reply {
                Reply::Described(columns) => current = ResultBlock::new(columns.into()),
                Reply::Row => exchange.push_row(&mut current, &message)?,
                Reply::Complete => {
                    current.finish(exchange.tag(&message)?);
                    blocks.push(std::mem::replace(&mut current, ResultBlock::new([].into())));
                }
                Reply::EmptyQuery | Reply::Closed => {}
                Reply::Error(e) => break refused(*e),
                Reply::Ready => {
                    exchange.finish();
                    return Ok(blocks);
                }
                Reply::CopyIn => break exchange.refuse_copy(CopyIn::Simple),
                Reply::CopyOut => break copy_by_query(),
                _ => return Err(exchange.unexpected()),
            }
        };
        end(exchange, Err(failure))
    }
}
