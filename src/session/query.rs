//! Statements whose results come in one piece: prepared ones, unnamed ones, scripts.

use std::sync::Arc;

use super::block::ResultBlock;
use super::exchange::{Exchange, Reply, copy_by_query, refused};
use super::lane::{Lane, end};
use super::request::{self, Param, ResultFormat};
use super::statement::{Sql, Statement};
use super::statements::Prepared;
use super::values::BindValues;
use crate::error::{Error, Result};
use crate::link::CopyIn;
use crate::link::settings::TextSettings;

const NO_PARAMS: &[Param<'static>] = &[];

impl Lane<'_> {
    /// Runs one statement and returns its rows: a text, prepared at first use and kept with the connection unless
    /// `statement_cache` is 0, or a [`Statement`].
    ///
    /// A cached statement that no longer fits because a table changed is prepared anew and run again: the server found
    /// that out before it ran anything. Inside a transaction the error stands, since the transaction has failed.
    ///
    /// # Errors
    /// What the server says; [`Misuse`](crate::ErrorKind::Misuse) if the parameters are not as many as those of the
    /// statement, or of another type than a [`Statement`] has them.
    pub fn query<'a>(
        &mut self,
        sql: impl Into<Sql<'a>>,
        params: &[Param<'_>],
        format: ResultFormat,
    ) -> Result<ResultBlock> {
        let sql = sql.into();
        if self.keeps_statements() {
            return self.query_values(sql, params, format).map(|(block, _)| block);
        }
        self.start()?;
        sql.check(params)?;
        self.query_unnamed(sql, params, format)
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
        sql.check(values)?;
        self.with_prepared(sql, values, |lane, prepared| {
            lane.execute(prepared, values, format).map(|block| (block, prepared.clone()))
        })
    }

    /// Prepares a statement for use on any connection. `types` are those of its parameters, as in `pg_type`; what is 0 or
    /// left out is inferred.
    ///
    /// # Errors
    /// What the server says to the text.
    pub fn prepare(&mut self, sql: &str, types: &[u32]) -> Result<Statement> {
        self.start()?;
        let name = if self.keeps_statements() { self.statements().next_name() } else { String::new() };
        self.request()?;
        let prepared = self.parse(name, sql, types)?;
        let columns = prepared.shape(ResultFormat::Text, self.text_settings()).columns.clone();
        let statement = Statement::new(sql, prepared.parameters(), columns);
        self.statements().keep(Sql::from(&statement), NO_PARAMS, Arc::new(prepared));
        Ok(statement)
    }

    /// Runs a statement that is prepared by name, a second time if the name turns out to be stale.
    pub(super) fn with_prepared<V: BindValues + ?Sized, T>(
        &mut self,
        sql: Sql<'_>,
        params: &V,
        mut run: impl FnMut(&mut Self, &Arc<Prepared>) -> Result<T>,
    ) -> Result<T> {
        let outside_transaction = self.is_outside_transaction();
        let (prepared, fresh) = self.prepared(sql, params)?;
        params.fit(self, &prepared)?;
        match run(self, &prepared) {
            Err(e) if !fresh && is_stale(&e) && !self.ran_last_statement() => {
                self.statements().forget(sql, params);
                if !outside_transaction {
                    return Err(e);
                }
                let (prepared, _) = self.prepared(sql, params)?;
                run(self, &prepared)
            }
            done => done,
        }
    }

    /// The statement for a text; whether it was prepared just now.
    pub(super) fn prepared<V: BindValues + ?Sized>(
        &mut self,
        sql: Sql<'_>,
        params: &V,
    ) -> Result<(Arc<Prepared>, bool)> {
        if let Some(prepared) = self.statements().find(sql, params) {
            return Ok((prepared, false));
        }
        self.request()?;
        Ok((self.prepare_named(sql, params)?, true))
    }

    /// Prepares a statement and keeps it. What stands in the buffer is sent before.
    pub(super) fn prepare_named<V: BindValues + ?Sized>(
        &mut self,
        sql: Sql<'_>,
        params: &V,
    ) -> Result<Arc<Prepared>> {
        let name = self.statements().next_name();
        let prepared = Arc::new(self.parse(name, sql.text(), &sql.types(params))?);
        self.statements().keep(sql, params, prepared.clone());
        Ok(prepared)
    }

    /// Has the server parse and describe a statement. What stands in the buffer is sent before.
    fn parse(&mut self, name: String, text: &str, types: &[u32]) -> Result<Prepared> {
        let out = self.out();
        request::parse(&name, text, types, out)?;
        request::describe_statement(&name, out)?;
        request::sync(out);
        let mut exchange = self.begin()?;
        let (mut parameters, mut columns) = (Vec::new(), Vec::new());
        loop {
            match exchange.next()?.0 {
                Reply::Parsed | Reply::Closed | Reply::NoRows => {}
                Reply::ParameterTypes(types) => parameters = types,
                Reply::Described(described) => columns = described,
                Reply::Error(e) => return end(exchange, Err(refused(*e))),
                Reply::Ready => {
                    exchange.finish();
                    return Ok(Prepared::new(name, parameters, &columns));
                }
                _ => return Err(exchange.unexpected()),
            }
        }
    }

    #[inline]
    fn execute<V: BindValues + ?Sized>(
        &mut self,
        prepared: &Prepared,
        values: &V,
        format: ResultFormat,
    ) -> Result<ResultBlock> {
        let shape = prepared.shape(format, self.text_settings());
        let out = self.request()?;
        request::bind_values("", prepared, values, &shape.codes, out)?;
        request::execute(out)?;
        request::sync(out);
        let mut exchange = self.begin()?;
        let read = prepared.read(&shape.columns, |block| exchange.read_rows(block));
        end(exchange, read)
    }

    /// Everything in one request, nothing left on the server: for poolers that give each request another server
    /// connection. The types of the result are not known beforehand, so automatic format means text here.
    fn query_unnamed(
        &mut self,
        sql: Sql<'_>,
        params: &[Param<'_>],
        format: ResultFormat,
    ) -> Result<ResultBlock> {
        let (format, settings) = (format.unless_automatic(), self.text_settings());
        let out = self.request()?;
        request::bind_unnamed(sql, params, format, out)?;
        request::execute(out)?;
        request::sync(out);
        let mut exchange = self.begin()?;
        let read = read_described(&mut exchange, format, settings);
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

/// Reads the replies to parse, describe, bind and execute sent as one.
fn read_described(
    exchange: &mut Exchange<'_>,
    format: ResultFormat,
    settings: TextSettings,
) -> Result<ResultBlock> {
    let columns = exchange.await_bound()?.unwrap_or_default();
    let mut block = ResultBlock::new(format.applied_to(&columns, settings));
    exchange.read_rows(&mut block)?;
    Ok(block)
}

/// See the pool's statement cache, which asks the same of the client's errors.
pub(super) fn is_stale(error: &Error) -> bool {
    match error.sqlstate().map(|s| s.code()) {
        Some("0A000") => error.server_message() == Some("cached plan must not change result type"),
        Some("26000") => true,
        _ => false,
    }
}
