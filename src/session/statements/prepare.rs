//! Preparing statements, and preparing them anew when they turn out to be stale.

use std::sync::Arc;

use super::prepared::Prepared;
use super::statement::{Sql, Statement, key_of};
use super::statement_cache::Origin;
use super::values::BindValues;
use crate::error::{Error, Result, ends_the_session, is_duplicate_name};
use crate::session::exchange::request;
use crate::session::exchange::request::ResultFormat;
use crate::session::exchange::{Reply, refused};
use crate::session::raw_session::{RawSession, end};

/// The most reruns of a stale statement in one call: one because it was removed, one because names did not last.
const MAX_RERUNS: u32 = 2;

impl RawSession<'_> {
    /// Prepares a statement for use on any connection. `types` are those of its parameters, as OIDs of `pg_type`; the server
    /// infers those that are 0 or left out. Blocks for a round trip.
    ///
    /// # Errors
    /// The server's error about the text.
    ///
    /// ```
    /// use holdfast::session::{Param, ResultFormat};
    ///
    /// # let mut conn = holdfast::Pool::echo(holdfast::PoolConfig::new())?.get()?;
    /// let mut raw = conn.raw()?;
    /// let statement = raw.prepare("select $1", &[])?;
    /// let block = raw.query(&statement, &[Param::text("a value")], ResultFormat::Text)?;
    /// assert_eq!(block.text(0, 0).as_deref(), Some("a value"));
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn prepare(&mut self, sql: &str, types: &[u32]) -> Result<Statement> {
        self.start()?;
        self.request()?;
        let described = self.parse_lasting(&key_of(sql, types), Origin::ToBeDescribed, sql, types)?;
        let columns = described.shape(ResultFormat::Text, self.text_settings()).columns.clone();
        let statement = Statement::new(sql, described.parameters(), columns);
        self.statements().insert_described(Arc::new(described.under(statement.key().clone())));
        Ok(statement)
    }

    /// Describes a text with the declared types, under which it is also run.
    pub(crate) fn describe_text<V: BindValues + ?Sized>(
        &mut self,
        text: &str,
        declared: &V,
    ) -> Result<Arc<Prepared>> {
        self.start()?;
        self.prepared(Sql::Text(text), declared).map(|(prepared, _)| prepared)
    }

    /// Drops an outdated description; the statement is described anew at its next use.
    pub(crate) fn forget_description(&mut self, prepared: &Prepared) {
        self.statements().forget(prepared);
    }

    /// Runs a described statement, and again if it turns out to be stale. Also returns the statement as it was run.
    #[inline]
    pub(in crate::session) fn with_prepared<V: BindValues + ?Sized, T>(
        &mut self,
        sql: Sql<'_>,
        values: &V,
        mut run: impl FnMut(&mut Self, &Prepared) -> Result<T>,
    ) -> Result<(T, Arc<Prepared>)> {
        let outside_transaction = self.is_outside_transaction();
        let mut reruns = 0;
        loop {
            let (prepared, fresh) = self.fitted(sql, values)?;
            match run(self, &prepared) {
                Ok(done) => return Ok((done, prepared)),
                Err(e)
                    if V::NEEDS_DESCRIPTION && reruns == 0 && values.may_fit_after_describing(&e, fresh) =>
                {
                    self.statements().forget(&prepared);
                }
                Err(e) => {
                    let e = self.check_stale(e, &prepared, fresh, outside_transaction)?;
                    if reruns == MAX_RERUNS {
                        return Err(e);
                    }
                }
            }
            reruns += 1;
        }
    }

    /// Returns the error of a stale statement that may be run again; fails with any other error.
    #[cold]
    fn check_stale(
        &mut self,
        error: Error,
        prepared: &Prepared,
        fresh: bool,
        outside_transaction: bool,
    ) -> Result<Error> {
        let Some(reported) = error.server().filter(|_| !self.ran_last_statement()) else { return Err(error) };
        if ends_the_session(reported) {
            // The session ended before the statement was bound, if the server itself ended it: it names its routine, and keeps
            // the order of its replies. A pooler may end a session while its server is at work and has not sent its first replies.
            let is_of_server = reported.routine.is_some();
            let retryable = error.is_retryable() || outside_transaction && is_of_server;
            return Err(error.set_retryable(retryable));
        }
        let lost = self.link().take_lost_statements();
        match self.statements().check_stale(reported, prepared, fresh, lost) {
            false => Err(error),
            true if outside_transaction => Ok(error.of_stale_statement(false)),
            true => {
                self.link().note_stale_failure();
                Err(error.of_stale_statement(true))
            }
        }
    }

    /// Finds or prepares the statement and fits the values to it. The flag is set if it was prepared just now.
    #[inline]
    fn fitted<V: BindValues + ?Sized>(&mut self, sql: Sql<'_>, values: &V) -> Result<(Arc<Prepared>, bool)> {
        let (prepared, fresh) = self.prepared(sql, values)?;
        let before = self.statements().evictions();
        match values.fit(self, &prepared) {
            Ok(()) if self.statements().evictions() == before => Ok((prepared, fresh)),
            fitted => self.refit(sql, values, &prepared, fresh, fitted),
        }
    }

    /// Repeats [`fitted`](Self::fitted) after a first try: types may have changed since the description, or looking them up has
    /// evicted the statement.
    #[cold]
    fn refit<V: BindValues + ?Sized>(
        &mut self,
        sql: Sql<'_>,
        values: &V,
        prepared: &Prepared,
        fresh: bool,
        fitted: Result<()>,
    ) -> Result<(Arc<Prepared>, bool)> {
        if let Err(e) = fitted {
            if fresh || !V::NEEDS_DESCRIPTION || e.server().is_some() || self.link().fault().is_some() {
                return Err(e);
            }
            self.statements().forget(prepared);
        }
        let (prepared, fresh) = self.prepared(sql, values)?;
        values.fit(self, &prepared)?;
        Ok((prepared, fresh))
    }

    /// Finds or prepares the statement. The flag is set if it was prepared just now.
    #[inline]
    pub(in crate::session) fn prepared<V: BindValues + ?Sized>(
        &mut self,
        sql: Sql<'_>,
        values: &V,
    ) -> Result<(Arc<Prepared>, bool)> {
        if let Some(prepared) = self.statements().find(sql, values) {
            return Ok((prepared, false));
        }
        self.request()?;
        Ok((self.prepare_now(sql, values)?, true))
    }

    /// Prepares a statement and caches it. The buffer's contents are sent before.
    #[cold]
    pub(in crate::session) fn prepare_now<V: BindValues + ?Sized>(
        &mut self,
        sql: Sql<'_>,
        values: &V,
    ) -> Result<Arc<Prepared>> {
        let key = self.statements().key_of(sql, values);
        let prepared = Arc::new(self.parse_lasting(&key, Origin::Kept, sql.text(), &sql.types(values))?);
        self.statements().insert(prepared.clone());
        Ok(prepared)
    }

    /// Parses and describes a statement on the server, without a name if names do not last. The buffer's contents are sent
    /// before.
    fn parse_lasting(
        &mut self,
        key: &Arc<[u8]>,
        origin: Origin,
        text: &str,
        types: &[u32],
    ) -> Result<Prepared> {
        let outside_transaction = self.is_outside_transaction();
        let name = self.statements().name_for(key, origin);
        let named = !name.is_empty();
        match self.parse(key.clone(), name, text, types) {
            Err(e) if named && is_duplicate_name(&e) => {
                self.statements().note_duplicate_name();
                if !outside_transaction {
                    self.link().note_stale_failure();
                    return Err(e.of_stale_statement(true));
                }
                self.request()?;
                self.parse(key.clone(), String::new(), text, types)
            }
            parsed => parsed,
        }
    }

    fn parse(&mut self, key: Arc<[u8]>, name: String, text: &str, types: &[u32]) -> Result<Prepared> {
        let outside_transaction = self.is_outside_transaction();
        let out = self.out();
        request::parse_named(&name, text, types, out)?;
        request::describe_statement(&name, out)?;
        request::sync(out);
        let mut exchange = self.begin()?;
        let (mut parameters, mut columns) = (Vec::new(), Vec::new());
        loop {
            match exchange.next()?.0 {
                Reply::Parsed | Reply::Closed | Reply::NoRows => {}
                Reply::ParameterTypes(types) => parameters = types,
                Reply::Described(described) => columns = described,
                Reply::Error(e) => {
                    let was_before = ends_the_session(&e) && outside_transaction;
                    let error = refused(*e);
                    let retryable = error.is_retryable() || was_before;
                    return end(exchange, Err(error.set_retryable(retryable)));
                }
                Reply::Ready => {
                    exchange.finish();
                    return Ok(Prepared::new(key, name, parameters, &columns));
                }
                _ => return Err(exchange.unexpected()),
            }
        }
    }
}
