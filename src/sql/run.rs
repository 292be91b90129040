//! Running statements: found or prepared by their text, described, bound, executed; and once more where what was prepared does
//! not fit any more.

use std::sync::Arc;

use bytes::BytesMut;
use postgres_types::{ToSql, Type};

use super::described::Described;
use super::handle::Handle;
use super::parameter_types::guess;
use super::params::{Parameters, Typed, bind, check_count, check_most, is_wrong_type};
use super::row::Rows;
use super::statement::Statement;
use super::to_statement::Source;
use crate::error::{Error, Result};
use crate::session::{Bound, Lane, Param, Prepared, ResultBlock, WireFormat};

/// A function that writes a `Bind`, as the session takes it.
type Write<'w> = &'w mut dyn FnMut(&str, &str, &mut BytesMut) -> Result<()>;

/// Values with the types they are sent as.
pub(super) type TypedParams<'a> = &'a [(&'a (dyn ToSql + Sync), Type)];

impl Handle<'_> {
    /// Runs `run` with a statement. The description is that of a prepared one; an unnamed one is described by its answer.
    pub(super) fn with_statement<T>(
        &mut self,
        source: Source<'_>,
        params: &dyn Parameters,
        run: impl FnMut(&mut Lane<'_>, Bound<'_>, Write<'_>) -> Result<T>,
    ) -> Result<(T, Option<Arc<Described>>)> {
        let done = if self.lane().prepares_by_name() {
            self.run_prepared(source, params, run).map(|(done, described)| (done, Some(described)))
        } else {
            self.run_source_unnamed(source, params, run).map(|done| (done, None))
        };
        done.map_err(|e| self.explain(e))
    }

    fn run_prepared<T>(
        &mut self,
        source: Source<'_>,
        params: &dyn Parameters,
        mut run: impl FnMut(&mut Lane<'_>, Bound<'_>, Write<'_>) -> Result<T>,
    ) -> Result<(T, Arc<Described>)> {
        check_most(params)?;
        self.lane().start_call()?;
        let outside_transaction = self.lane().is_outside_transaction();
        let (prepared, mut is_fresh) = self.lane().find_or_prepare(source.text(), source.declared())?;
        let mut described = self.described(&prepared)?;
        let (mut prepared, mut was_healed) = (prepared, false);
        if !is_fresh && !described.is_current() {
            (prepared, described, is_fresh) = self.prepare_anew(source)?;
        }
        loop {
            check_count(&described.params, params)?;
            let mut write = |portal: &str, name: &str, out: &mut BytesMut| {
                bind(portal, name, params, &described.params, out)
            };
            let error = match run(self.lane(), Bound::Prepared(&prepared), &mut write) {
                Ok(done) => return Ok((done, described)),
                Err(error) if was_healed => return Err(error),
                Err(error) => error,
            };
            if is_wrong_type(&error) {
                // Nothing was sent. What was looked up before may have been altered since.
                if is_fresh && !described.has_own_types() {
                    return Err(error);
                }
            } else {
                if is_fresh {
                    return Err(error);
                }
                if !(self.lane().failed_as_stale(&error) || self.lost_a_type(&error)) {
                    return Err(error);
                }
                if !outside_transaction {
                    self.lane().forget_prepared(source.text(), source.declared());
                    return Err(error);
                }
            }
            described.suspect_own_types();
            (prepared, described, is_fresh) = self.prepare_anew(source)?;
            was_healed = true;
        }
    }

    #[cold]
    fn prepare_anew(&mut self, source: Source<'_>) -> Result<(Arc<Prepared>, Arc<Described>, bool)> {
        self.lane().forget_prepared(source.text(), source.declared());
        let (prepared, _) = self.lane().find_or_prepare(source.text(), source.declared())?;
        let described = self.described(&prepared)?;
        Ok((prepared, described, true))
    }

    /// Whether a statement failed before it was run because a type is not there any more.
    fn lost_a_type(&mut self, error: &Error) -> bool {
        let said = error.server().is_some_and(|said| {
            // Of `elog`, whose messages are not translated.
            said.sqlstate.code() == "XX000" && said.message.starts_with("cache lookup failed for type")
        });
        if said {
            self.forget_types();
        }
        said && !self.lane().ran_last_statement()
    }

    fn run_source_unnamed<T>(
        &mut self,
        source: Source<'_>,
        params: &dyn Parameters,
        run: impl FnMut(&mut Lane<'_>, Bound<'_>, Write<'_>) -> Result<T>,
    ) -> Result<T> {
        check_most(params)?;
        let types = match source {
            Source::Statement(statement) => statement.params().to_vec(),
            Source::Text(_) => guess(params)?,
        };
        self.run_unnamed(source.text(), params, &types, run)
    }

    fn run_unnamed<T>(
        &mut self,
        text: &str,
        params: &dyn Parameters,
        types: &[Type],
        mut run: impl FnMut(&mut Lane<'_>, Bound<'_>, Write<'_>) -> Result<T>,
    ) -> Result<T> {
        check_count(types, params)?;
        self.lane().start_call()?;
        let oids: Vec<u32> = types.iter().map(Type::oid).collect();
        let mut write = |portal: &str, name: &str, out: &mut BytesMut| bind(portal, name, params, types, out);
        run(self.lane(), Bound::Unnamed { text, types: &oids }, &mut write)
    }

    /// The rows of a block, described by its own columns if nothing else describes it.
    pub(super) fn rows(
        &mut self,
        block: ResultBlock,
        described: Option<Arc<Described>>,
    ) -> Result<Arc<Rows>> {
        let described = match described {
            Some(described) => described,
            None => Arc::new(self.describe(&[], block.columns()).map_err(|e| self.explain(e))?),
        };
        Ok(Rows::new(block, described))
    }

    pub(crate) fn query(&mut self, source: Source<'_>, params: &dyn Parameters) -> Result<Arc<Rows>> {
        let (block, described) =
            self.with_statement(source, params, |lane, bound, write| lane.run_bound(bound, write))?;
        self.rows(block, described)
    }

    pub(crate) fn execute(&mut self, source: Source<'_>, params: &dyn Parameters) -> Result<u64> {
        let done = self.with_statement(source, params, |lane, bound, write| lane.count_bound(bound, write));
        done.map(|(count, _)| count)
    }

    pub(crate) fn query_typed(&mut self, text: &str, params: TypedParams<'_>) -> Result<Arc<Rows>> {
        let block = self.run_typed(text, params, |lane, bound, write| lane.run_bound(bound, write))?;
        self.rows(block, None)
    }

    pub(crate) fn execute_typed(&mut self, text: &str, params: TypedParams<'_>) -> Result<u64> {
        self.run_typed(text, params, |lane, bound, write| lane.count_bound(bound, write))
    }

    fn run_typed<T>(
        &mut self,
        text: &str,
        params: TypedParams<'_>,
        run: impl FnMut(&mut Lane<'_>, Bound<'_>, Write<'_>) -> Result<T>,
    ) -> Result<T> {
        let types: Vec<Type> = params.iter().map(|(_, type_)| type_.clone()).collect();
        self.run_with_types(text, &Typed(params), &types, run)
    }

    /// Runs an unnamed statement whose parameters have these types.
    pub(super) fn run_with_types<T>(
        &mut self,
        text: &str,
        params: &dyn Parameters,
        types: &[Type],
        run: impl FnMut(&mut Lane<'_>, Bound<'_>, Write<'_>) -> Result<T>,
    ) -> Result<T> {
        let done = check_most(params).and_then(|()| self.run_unnamed(text, params, types, run));
        done.map_err(|e| self.explain(e))
    }

    pub(crate) fn prepare(&mut self, text: &str, types: &[Type]) -> Result<Statement> {
        self.prepare_now(text, types).map_err(|e| self.explain(e))
    }

    fn prepare_now(&mut self, text: &str, types: &[Type]) -> Result<Statement> {
        let declared: Vec<Param<'static>> = types.iter().map(|t| declared(t.oid())).collect();
        self.lane().start_call()?;
        let described = if self.lane().prepares_by_name() {
            let (prepared, is_fresh) = self.lane().find_or_prepare(text, &declared)?;
            let described = self.described(&prepared)?;
            if is_fresh || described.is_current() {
                described
            } else {
                self.lane().forget_prepared(text, &declared);
                let (prepared, _) = self.lane().find_or_prepare(text, &declared)?;
                self.described(&prepared)?
            }
        } else {
            let oids: Vec<u32> = types.iter().map(Type::oid).collect();
            let (parameters, columns) = self.lane().describe_unnamed(text, &oids)?;
            Arc::new(self.describe(&parameters, &columns)?)
        };
        Ok(Statement::new(text, declared, described))
    }
}

/// A parameter that is known by its type alone.
fn declared(type_oid: u32) -> Param<'static> {
    Param { value: None, format: WireFormat::Binary, type_oid }
}
