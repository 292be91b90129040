//! Replies up to `BindComplete`: a statement is described and bound, or found stale.

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

    /// Reads up to the end of `Bind`, so that a refusal of the statement is known.
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

    /// Reads up to the end of `Bind` of a statement that is described on the way, and keeps its description.
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

    /// Reads up to the description of a portal, which follows its `Bind`: for a statement without a name, whose result may be
    /// another than when it was described. Then it is forgotten, to be described the next time.
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

    /// Whether a statement was stale that the server refused before its `BindComplete`; then it is prepared anew the next time.
    /// The error says so, and that it may be run again.
    #[cold]
    pub(in crate::session) fn check_stale(
        &mut self,
        error: Error,
        prepared: &Prepared,
        fresh: bool,
        in_transaction: bool,
    ) -> Error {
        let lost = self.line.take_lost_statements();
        let Some(said) = error.server() else { return error };
        if !self.state.statements.check_stale(said, prepared, fresh, lost) {
            return error;
        }
        if in_transaction {
            self.line.note_stale_failure();
        }
        error.of_stale_statement(in_transaction)
    }

    /// A name stood that had been closed in the same request.
    #[cold]
    pub(in crate::session) fn note_duplicate_name(&mut self, error: Error, in_transaction: bool) -> Error {
        self.state.statements.note_duplicate_name();
        if in_transaction {
            self.line.note_stale_failure();
        }
        error.of_stale_statement(in_transaction)
    }
}
