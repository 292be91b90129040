//! Running statements, found in the cache or prepared, with typed values and rows.

use std::sync::Arc;

use postgres_types::{ToSql, Type};

use super::describe::types_were_forgotten;
use super::described::Described;
use super::params::{Parameters, Typed, check_count, check_protocol_limit};
use super::statement::Statement;
use super::to_statement::Source;
use super::values::{Values, typed_description};
use crate::error::Result;
use crate::session::{self, Param, Prepared, RawSession, ResultBlock, ResultFormat, Sql};
use crate::sql::handle::Handle;
use crate::sql::rows::row::Rows;

/// Values with the types they are sent as.
pub(in crate::sql) type TypedParams<'a> = &'a [(&'a (dyn ToSql + Sync), Type)];

impl Handle<'_> {
    /// Calls `run` with the values of a statement, and returns its result and the description of the statement.
    pub(in crate::sql) fn with_values<T>(
        &mut self,
        params: &dyn Parameters,
        declared: &[Type],
        run: impl FnOnce(&mut RawSession<'_>, &Values<'_>) -> Result<T>,
    ) -> Result<(T, Option<Arc<Described>>)> {
        check_protocol_limit(params)?;
        let values = Values::new(params, declared, self.context());
        match run(self.raw(), &values) {
            Ok(done) => Ok((done, values.into_described())),
            Err(e) => Err(self.explain(e)),
        }
    }

    /// Returns the description of a result: that of its statement, unless the result has other columns.
    pub(in crate::sql) fn description_of(
        &mut self,
        columns: &[session::Column],
        statement: &Prepared,
        described: Option<Arc<Described>>,
    ) -> Result<Arc<Described>> {
        match described {
            // A named statement has the columns that it was described with.
            Some(described) if statement.is_named() || described.fits(columns) => Ok(described),
            _ => self.describe(&[], columns).map(Arc::new).map_err(|e| self.explain(e)),
        }
    }

    fn rows_of(
        &mut self,
        (block, statement): (ResultBlock, Arc<Prepared>),
        described: Option<Arc<Described>>,
    ) -> Result<Arc<Rows>> {
        let mut described = self.description_of(block.columns(), &statement, described)?;
        if described.shows_altered_types(&block) {
            described = self.describe_anew(&described, block.columns())?;
        }
        Ok(Rows::new(block, described))
    }

    /// Describes a result whose values show that types were altered since `outdated` was made. The session must be at rest.
    #[cold]
    pub(in crate::sql) fn describe_anew(
        &mut self,
        outdated: &Described,
        columns: &[session::Column],
    ) -> Result<Arc<Described>> {
        outdated.forget_own_types();
        self.describe(&[], columns).map(Arc::new).map_err(|e| self.explain(e))
    }

    pub(crate) fn query(&mut self, source: Source<'_>, params: &dyn Parameters) -> Result<Arc<Rows>> {
        let (ran, described) = self.with_values(params, source.declared(), |raw, values| {
            raw.query_values(Sql::Text(source.text()), values, ResultFormat::Binary)
        })?;
        self.rows_of(ran, described)
    }

    pub(crate) fn execute(&mut self, source: Source<'_>, params: &dyn Parameters) -> Result<u64> {
        let done = self.with_values(params, source.declared(), |raw, values| {
            raw.count_values(Sql::Text(source.text()), values)
        });
        done.map(|(count, _)| count)
    }

    /// Calls `run` with values in the types that the caller gives, for a statement that is not described.
    pub(in crate::sql) fn with_typed<T>(
        &mut self,
        params: &dyn Parameters,
        types: &[Type],
        run: impl FnOnce(&mut RawSession<'_>, &[u32], &Values<'_>) -> Result<T>,
    ) -> Result<T> {
        check_protocol_limit(params)?;
        check_count(types, params)?;
        let oids: Vec<u32> = types.iter().map(Type::oid).collect();
        let values = Values::of_types(params, types, self.context());
        run(self.raw(), &oids, &values).map_err(|e| self.explain(e))
    }

    pub(crate) fn query_typed(&mut self, text: &str, params: TypedParams<'_>) -> Result<Arc<Rows>> {
        let types: Vec<Type> = params.iter().map(|(_, type_)| type_.clone()).collect();
        let ran =
            self.with_typed(&Typed(params), &types, |raw, oids, values| raw.query_once(text, oids, values))?;
        self.rows_of(ran, None)
    }

    pub(crate) fn execute_typed(&mut self, text: &str, params: TypedParams<'_>) -> Result<u64> {
        let types: Vec<Type> = params.iter().map(|(_, type_)| type_.clone()).collect();
        self.with_typed(&Typed(params), &types, |raw, oids, values| raw.count_once(text, oids, values))
    }

    pub(crate) fn prepare(&mut self, text: &str, types: &[Type]) -> Result<Statement> {
        let described = self.describe_text(text, types).map_err(|e| self.explain(e))?;
        Ok(Statement::new(text, types, described))
    }

    fn describe_text(&mut self, text: &str, types: &[Type]) -> Result<Arc<Described>> {
        let declared: Vec<Param<'_>> =
            types.iter().map(|t| Param { type_oid: t.oid(), ..Param::text("") }).collect();
        let context = self.context();
        let prepared = self.raw().describe_text(text, &declared[..])?;
        if let Some(described) = typed_description(self.raw(), context, &prepared)? {
            return Ok(described);
        }
        self.raw().forget_description(&prepared);
        let prepared = self.raw().describe_text(text, &declared[..])?;
        typed_description(self.raw(), context, &prepared)?.ok_or_else(types_were_forgotten)
    }
}
