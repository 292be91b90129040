//! Statements whose results are read as one block: prepared and unnamed ones.

use std::sync::Arc;

use super::prepared::Prepared;
use super::statement::Sql;
use super::values::BindValues;
use crate::error::Result;
use crate::session::exchange::request;
use crate::session::exchange::request::{Param, ResultFormat};
use crate::session::raw_session::{RawSession, end};
use crate::session::transfer::result::ResultBlock;

impl RawSession<'_> {
    /// Runs one statement and returns its rows. It is a text, prepared at first use and cached by the connection unless
    /// `statement_cache` is 0, or a [`Statement`](crate::session::Statement).
    ///
    /// A cached statement that is stale because a table, a type or the `search_path` changed is prepared anew and run again,
    /// since the server refused it before it ran anything. Inside a transaction the error is returned, since the transaction
    /// has failed, and is retryable. Blocks until the last row has come.
    ///
    /// # Errors
    /// The server's error; [`Misuse`](crate::ErrorKind::Misuse) if the number of parameters is not the statement's, or their
    /// types are not those of a [`Statement`](crate::session::Statement).
    ///
    /// ```
    /// use holdfast::session::{Param, ResultFormat};
    ///
    /// # let mut conn = holdfast::Pool::echo(holdfast::PoolConfig::new())?.get()?;
    /// let block = conn.raw()?.query("select $1", &[Param::text("a value")], ResultFormat::Text)?;
    /// assert_eq!(block.text(0, 0).as_deref(), Some("a value"));
    /// assert_eq!((block.columns()[0].name.as_str(), block.command_tag()), ("p1", "SELECT 1"));
    /// # Ok::<(), holdfast::Error>(())
    /// ```
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

    /// Does the same with values of any kind. Also returns the statement as it was run, which decides how to read the values.
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
        self.with_prepared(sql, values, |raw, prepared| raw.execute(sql, prepared, values, format))
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
        request::execute(out);
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

    /// Runs a statement with values of any kind and returns the number of rows it changed or returned.
    pub(crate) fn count_values<V: BindValues + ?Sized>(&mut self, sql: Sql<'_>, values: &V) -> Result<u64> {
        self.start()?;
        sql.check(values)?;
        let (count, _) = self.with_prepared(sql, values, |raw, prepared| {
            let shape = prepared.shape(ResultFormat::Binary, raw.text_settings());
            let out = raw.request()?;
            request::bind_values("", sql, prepared, values, &shape.codes, out)?;
            request::execute(out);
            request::sync(out);
            let mut exchange = raw.begin()?;
            let bound =
                if prepared.is_named() { Ok(()) } else { exchange.await_columns(prepared, shape).map(drop) };
            let counted = bound.and_then(|()| exchange.count_rows());
            end(exchange, counted)
        })?;
        Ok(count)
    }

    /// Parses, describes and runs a statement in one request, and caches its description, where nothing is prepared by name and
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
        request::execute(out);
        request::sync(out);
        let mut exchange = self.begin()?;
        let read = exchange.await_described_and_bound(key).and_then(|prepared| {
            let columns = &prepared.shape(format, settings).columns;
            prepared.read(columns, |block| exchange.read_rows(block))
        });
        end(exchange, read)
    }
}
