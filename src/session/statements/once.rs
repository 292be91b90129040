//! Statements that are run once: parsed, bound and run in one request, with the types of their parameters given. They need no
//! preparation and leave nothing in the cache.

use std::sync::Arc;

use super::prepared::Prepared;
use super::statement::Sql;
use super::values::BindValues;
use crate::error::Result;
use crate::session::exchange::Exchange;
use crate::session::exchange::request;
use crate::session::exchange::request::ResultFormat;
use crate::session::raw_session::{RawSession, end};
use crate::session::transfer::result::{Column, ResultBlock};
use crate::session::transfer::stream::StreamCursor;

impl RawSession<'_> {
    /// Runs a text with values in the given types and returns its rows.
    pub(crate) fn query_once<V: BindValues + ?Sized>(
        &mut self,
        text: &str,
        types: &[u32],
        values: &V,
    ) -> Result<(ResultBlock, Arc<Prepared>)> {
        self.run_once(text, types, values, |exchange, columns| {
            let mut block = ResultBlock::new(columns);
            exchange.read_rows(&mut block).map(|()| block)
        })
    }

    /// Runs a text with values in the given types and returns the number of rows.
    pub(crate) fn count_once<V: BindValues + ?Sized>(
        &mut self,
        text: &str,
        types: &[u32],
        values: &V,
    ) -> Result<u64> {
        let counted = self.run_once(text, types, values, |exchange, _| exchange.count_rows());
        counted.map(|(rows, _)| rows)
    }

    /// Runs a text and lets `read` take the replies that follow the description of the result.
    fn run_once<V: BindValues + ?Sized, T>(
        &mut self,
        text: &str,
        types: &[u32],
        values: &V,
        read: impl FnOnce(&mut Exchange<'_>, Arc<[Column]>) -> Result<T>,
    ) -> Result<(T, Arc<Prepared>)> {
        let statement = self.write_once(text, types, values)?;
        let out = self.out();
        request::execute(out);
        request::sync(out);
        let shape = statement.shape(ResultFormat::Binary, self.text_settings());
        let mut exchange = self.begin()?;
        let columns = exchange.await_columns(&statement, shape);
        let read = columns.and_then(|columns| read(&mut exchange, columns));
        end(exchange, read).map(|result| (result, statement))
    }

    /// Runs a text with values in the given types, for rows that are read in portions.
    pub(crate) fn stream_once<V: BindValues + ?Sized>(
        &mut self,
        text: &str,
        types: &[u32],
        values: &V,
    ) -> Result<(StreamCursor, Arc<Prepared>)> {
        let statement = self.write_once(text, types, values)?;
        let shape = statement.shape(ResultFormat::Binary, self.text_settings());
        let cursor = self.begin_stream(|exchange| exchange.await_columns(&statement, shape))?;
        Ok((cursor, statement))
    }

    /// Writes the request up to the description of its result. Returns the statement with its parameters only.
    fn write_once<V: BindValues + ?Sized>(
        &mut self,
        text: &str,
        types: &[u32],
        values: &V,
    ) -> Result<Arc<Prepared>> {
        self.start()?;
        let statement = Prepared::new([].into(), String::new(), types.to_vec(), &[]);
        let codes = &statement.shape(ResultFormat::Binary, self.text_settings()).codes;
        request::bind_values("", Sql::Text(text), &statement, values, codes, self.request()?)?;
        Ok(Arc::new(statement))
    }
}
