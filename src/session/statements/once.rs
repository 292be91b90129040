//! Statements that are run once: parsed, bound and run in one request, with the types of their parameters given. They need no
//! preparation and leave nothing in the cache.

use std::sync::Arc;

use super::prepared::Prepared;
use super::statement::Sql;
use super::values::BindValues;
use crate::error::Result;
use crate::session::exchange::request;
use crate::session::exchange::request::ResultFormat;
use crate::session::lane::{Lane, end};
use crate::session::transfer::result::ResultBlock;
use crate::session::transfer::stream::StreamCursor;

impl Lane<'_> {
    /// Runs a text with values in the given types and returns its rows.
    pub(crate) fn query_once<V: BindValues + ?Sized>(
        &mut self,
        text: &str,
        types: &[u32],
        values: &V,
    ) -> Result<(ResultBlock, Arc<Prepared>)> {
        let statement = self.write_once(text, types, values)?;
        let out = self.out();
        request::execute(out)?;
        request::sync(out);
        let shape = statement.shape(ResultFormat::Binary, self.text_settings());
        let mut exchange = self.begin()?;
        let read = exchange.await_columns(&statement, shape).and_then(|columns| {
            let mut block = ResultBlock::new(columns);
            exchange.read_rows(&mut block).map(|()| block)
        });
        end(exchange, read).map(|block| (block, statement))
    }

    /// Runs a text with values in the given types and returns the number of rows.
    pub(crate) fn count_once<V: BindValues + ?Sized>(
        &mut self,
        text: &str,
        types: &[u32],
        values: &V,
    ) -> Result<u64> {
        let statement = self.write_once(text, types, values)?;
        let out = self.out();
        request::execute(out)?;
        request::sync(out);
        let shape = statement.shape(ResultFormat::Binary, self.text_settings());
        let mut exchange = self.begin()?;
        let counted = exchange.await_columns(&statement, shape).and_then(|_| exchange.count_rows());
        end(exchange, counted)
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
