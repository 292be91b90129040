//! Statements run through a connection's cache, whether on the connection itself or inside a transaction.

use postgres::types::{ToSql, Type};
use postgres::{GenericClient, Row, Statement};

use super::connection::Params;
use super::parameter_types::guess;
use super::statements::{StatementCache, is_stale};
use crate::error::{Error, ErrorKind, Phase, Result};
use crate::link::Link;

/// What it takes to run a statement through the cache.
pub(super) struct Cached<'a, C> {
    pub(super) client: &'a mut C,
    pub(super) statements: &'a mut StatementCache,
    pub(super) link: &'a Link,
    pub(super) target: &'a str,
}

/// How a statement reaches the server.
enum Run<'a> {
    Prepared(&'a Statement),
    Unnamed(&'a [(&'a (dyn ToSql + Sync), Type)]),
}

impl<C: GenericClient> Cached<'_, C> {
    pub(super) fn prepare(&mut self, sql: &str) -> Result<Statement> {
        let prepared = self.statements.prepare(self.client, sql);
        prepared.map_err(|e| self.explain(e))
    }

    pub(super) fn query(&mut self, sql: &str, params: Params<'_>) -> Result<Vec<Row>> {
        self.run(sql, params, |client, run| match run {
            Run::Prepared(statement) => client.query(statement, params),
            Run::Unnamed(typed) => client.query_typed(sql, typed),
        })
    }

    pub(super) fn query_one(&mut self, sql: &str, params: Params<'_>) -> Result<Row> {
        self.run(sql, params, |client, run| match run {
            Run::Prepared(statement) => client.query_one(statement, params),
            Run::Unnamed(typed) => client.query_typed_one(sql, typed),
        })
    }

    pub(super) fn query_opt(&mut self, sql: &str, params: Params<'_>) -> Result<Option<Row>> {
        self.run(sql, params, |client, run| match run {
            Run::Prepared(statement) => client.query_opt(statement, params),
            Run::Unnamed(typed) => client.query_typed_opt(sql, typed),
        })
    }

    pub(super) fn execute(&mut self, sql: &str, params: Params<'_>) -> Result<u64> {
        self.run(sql, params, |client, run| match run {
            Run::Prepared(statement) => client.execute(statement, params),
            Run::Unnamed(typed) => client.execute_typed(sql, typed),
        })
    }

    fn run<T>(
        &mut self,
        sql: &str,
        params: Params<'_>,
        mut execute: impl FnMut(&mut C, Run<'_>) -> Result<T, postgres::Error>,
    ) -> Result<T> {
        if !self.statements.is_on() {
            let typed = guess(params)?;
            let done = execute(self.client, Run::Unnamed(&typed));
            return done.map_err(|e| self.explain(e));
        }
        let statement = self.prepare(sql)?;
        // Inside a transaction the error has failed it already, and only the caller can begin it again.
        let outside_transaction = self.link.is_clean();
        let mut done = execute(self.client, Run::Prepared(&statement));
        // The same error can come out of what a statement runs, after it took effect.
        if done.as_ref().is_err_and(is_stale) && !self.link.ran_last_statement() {
            self.statements.forget(sql);
            if outside_transaction {
                let statement = self.prepare(sql)?;
                done = execute(self.client, Run::Prepared(&statement));
            }
        }
        done.map_err(|e| self.explain(e))
    }

    /// An error of a statement, with where it happened.
    fn explain(&self, error: postgres::Error) -> Error {
        explain(error, self.link, self.target)
    }
}

/// An error of a statement, with where it happened. The driver gives up on a connection that was closed before it has looked at
/// what the server said last.
pub(super) fn explain(error: postgres::Error, link: &Link, target: &str) -> Error {
    let explained = Error::from(error);
    let explained = match link.last_words() {
        Some(said) if explained.kind() == ErrorKind::ConnectionLost && explained.server().is_none() => {
            Error::from_server(said, Phase::Query).with_source(explained)
        }
        _ => explained,
    };
    explained.at_target(target)
}
