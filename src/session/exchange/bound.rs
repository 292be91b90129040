//! Reading replies up to `BindComplete`: a statement is described and bound, or turns out to be stale.

use std::sync::Arc;

use super::{Exchange, Reply, refused};
use crate::error::Error;
use crate::session::statements::prepared::{Prepared, ResultShape};
use crate::session::transfer::result::Column;

impl Exchange<'_> {
    /// Reads the replies to `Parse` and `Describe`: types of the parameters, columns.
    pub(in crate::session) fn await_described(&mut self) -> Result<(Vec<u32>, Vec<Column>), Error> {
        let mut parameters = Vec::new();
        loop {
            match self.next()?.0 {
                Reply::Closed | Reply::Parsed => {}
                Reply::ParameterTypes(types) => parameters = types,
                Reply::Described(columns) => return Ok((parameters, columns)),
                Reply::NoRows => return Ok((parameters, Vec::new())),
                Reply::Error(e) => return Err(refused(*e)),
                _ => return Err(self.unexpected()),
            }
        }
    }

    /// Reads up to `BindComplete`, or the error that takes its place.
    pub(in crate::session) fn await_bound(&mut self) -> Result<(), Error> {
        loop {
            match self.next()?.0 {
                Reply::Closed | Reply::Parsed => {}
                Reply::Bound => return Ok(()),
                Reply::Error(e) => return Err(refused(*e)),
                _ => return Err(self.unexpected()),
            }
        }
    }

    /// Reads up to `BindComplete` of a statement that is described in the same request, and caches its description.
    pub(in crate::session) fn await_described_and_bound(
        &mut self,
        key: Arc<[u8]>,
    ) -> Result<Arc<Prepared>, Error> {
        let (parameters, columns) = self.await_described()?;
        self.await_bound()?;
        let prepared = Arc::new(Prepared::new(key, String::new(), parameters, &columns));
        self.state.statements.insert(prepared.clone());
        Ok(prepared)
    }

    /// Reads up to the portal's description, which follows `Bind` for a statement without a name. If the columns have changed
    /// since the statement was described, its description is dropped from the cache.
    pub(in crate::session) fn await_columns(
        &mut self,
        prepared: &Prepared,
        shape: &ResultShape,
    ) -> Result<Arc<[Column]>, Error> {
        self.await_bound()?;
        let columns = match self.next()?.0 {
            Reply::Described(columns) => columns,
            Reply::NoRows => Vec::new(),
            Reply::Error(e) => return Err(refused(*e)),
            _ => return Err(self.unexpected()),
        };
        if columns[..] == shape.columns[..] {
            return Ok(shape.columns.clone());
        }
        self.state.statements.forget(prepared);
        Ok(columns.into())
    }

    /// Checks whether a statement refused before its `BindComplete` was stale. A stale one is prepared anew at its next use;
    /// the returned error is marked as such, and as retryable where that holds.
    #[cold]
    pub(in crate::session) fn check_stale(
        &mut self,
        error: Error,
        prepared: &Prepared,
        fresh: bool,
        in_transaction: bool,
    ) -> Error {
        let lost = self.line.take_lost_statements();
        let Some(reported) = error.server() else { return error };
        if !self.state.statements.check_stale(reported, prepared, fresh, lost) {
            return error;
        }
        if in_transaction {
            self.line.note_stale_failure();
        }
        error.of_stale_statement(in_transaction)
    }

    /// Handles a duplicate name (42P05), although the same request had closed it.
    #[cold]
    pub(in crate::session) fn note_duplicate_name(&mut self, error: Error, in_transaction: bool) -> Error {
        self.state.statements.note_duplicate_name();
        if in_transaction {
            self.line.note_stale_failure();
        }
        error.of_stale_statement(in_transaction)
    }
}
