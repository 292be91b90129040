//! Rows that are read one by one.

use std::sync::Arc;

use fallible_iterator::FallibleIterator;
use postgres_types::Type;

use super::described::Described;
use super::handle::Handle;
use super::params::Parameters;
use super::row::{Row, Rows};
use super::to_statement::Source;
use crate::error::{Error, Result};
use crate::session::StreamCursor;

/// The rows of a statement, one by one, as [`query_raw`](crate::PooledConnection::query_raw) returns them: for results larger than
/// memory.
///
/// Dropped before the end, it does not block: the rest is skipped by the connection's next call, so that the statement takes
/// effect as if all of it were read; or it is cancelled when the connection goes back to its pool.
pub struct RowIter<'a> {
    handle: Handle<'a>,
    /// `None` if all rows have come.
    cursor: Option<StreamCursor>,
    described: Arc<Described>,
    portion: Option<Arc<Rows>>,
    next: usize,
    affected: Option<u64>,
}

impl<'a> RowIter<'a> {
    /// Runs a statement.
    pub(crate) fn open(mut handle: Handle<'a>, source: Source<'_>, params: &dyn Parameters) -> Result<Self> {
        let (cursor, described) =
            handle.with_statement(source, params, |lane, bound, write| lane.stream_bound(bound, write))?;
        Self::of(handle, cursor, described)
    }

    /// Runs an unnamed statement whose parameters have these types.
    pub(crate) fn open_typed(
        mut handle: Handle<'a>,
        text: &str,
        params: &dyn Parameters,
        types: &[Type],
    ) -> Result<Self> {
        let cursor = handle
            .run_with_types(text, params, types, |lane, bound, write| lane.stream_bound(bound, write))?;
        Self::of(handle, cursor, None)
    }

    fn of(mut handle: Handle<'a>, cursor: StreamCursor, described: Option<Arc<Described>>) -> Result<Self> {
        if let Some(described) = described {
            return Ok(Self {
                handle,
                cursor: Some(cursor),
                described,
                portion: None,
                next: 0,
                affected: None,
            });
        }
        if handle.knows_types_of(cursor.columns()) {
            let described = Arc::new(handle.describe(&[], cursor.columns())?);
            return Self::of(handle, cursor, Some(described));
        }
        // Types cannot be looked up while rows are on the way.
        Self::all_at_once(handle, cursor)
    }

    fn all_at_once(mut handle: Handle<'a>, mut cursor: StreamCursor) -> Result<Self> {
        let block = cursor.rest(handle.lane()).map_err(|e| handle.explain(e))?;
        let affected = block.rows_affected();
        let rows = handle.rows(block, None)?;
        Ok(Self::of_rows(handle, rows, affected))
    }

    /// Rows that have come already.
    pub(super) fn of_rows(handle: Handle<'a>, rows: Arc<Rows>, affected: Option<u64>) -> Self {
        let described = rows.described().clone();
        Self { handle, cursor: None, described, portion: Some(rows), next: 0, affected }
    }

    /// How many rows the statement changed or returned; `None` until the last was read.
    pub fn rows_affected(&self) -> Option<u64> {
        self.affected
    }
}

impl FallibleIterator for RowIter<'_> {
    type Item = Row;
    type Error = Error;

    /// The next row. Blocks until one has come.
    fn next(&mut self) -> Result<Option<Row>> {
        loop {
            if let Some(row) = self.portion.as_ref().and_then(|portion| portion.row(self.next)) {
                self.next += 1;
                return Ok(Some(row));
            }
            self.portion = None;
            let Some(cursor) = &mut self.cursor else { return Ok(None) };
            match cursor.next_arrived(self.handle.lane()) {
                Ok(Some(block)) => {
                    self.affected = cursor.rows_affected();
                    self.portion = Some(Rows::new(block, self.described.clone()));
                    self.next = 0;
                }
                Ok(None) => {
                    self.affected = cursor.rows_affected();
                    return Ok(None);
                }
                Err(error) => {
                    self.cursor = None;
                    return Err(self.handle.explain(error));
                }
            }
        }
    }
}

impl Drop for RowIter<'_> {
    fn drop(&mut self) {
        if let Some(cursor) = &mut self.cursor {
            cursor.give_up();
            self.handle.lane().leave_unread();
        }
    }
}

impl std::fmt::Debug for RowIter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RowIter").field("columns", &self.described.columns).finish_non_exhaustive()
    }
}
