//! Iteration over rows that are read one by one.

use std::collections::VecDeque;
use std::sync::Arc;

use fallible_iterator::FallibleIterator;
use postgres_types::Type;

use super::portal::Portal;
use super::row::{Row, Rows};
use crate::error::{Error, Result};
use crate::session::{Prepared, ResultBlock, ResultFormat, Sql, StreamCursor};
use crate::sql::handle::Handle;
use crate::sql::statements::described::Described;
use crate::sql::statements::params::Parameters;
use crate::sql::statements::to_statement::Source;

/// The rows of a statement, one by one, as [`query_raw`](crate::PooledConnection::query_raw) returns them: for results larger
/// than memory.
///
/// Dropped before the end, it does not block. The connection's next call skips the rest, so that the statement takes effect as
/// if all of it were read; or the rest is cancelled when the connection is returned to its pool.
///
/// If values show that a user-defined type was altered since the pool looked it up, the rest of the result is received at once and
/// kept in memory: types can be looked up only then. Such values are read as those of the altered type.
#[must_use = "the rest of the rows is thrown away when this is dropped"]
pub struct RowIter<'a> {
    handle: Handle<'a>,
    /// `None` once all rows have come.
    cursor: Option<StreamCursor>,
    described: Arc<Described>,
    portion: Option<Arc<Rows>>,
    /// Portions behind that one which had to be received at once.
    ahead: VecDeque<Arc<Rows>>,
    next: usize,
    affected: Option<u64>,
}

impl<'a> RowIter<'a> {
    /// Runs a statement.
    pub(crate) fn open(mut handle: Handle<'a>, source: Source<'_>, params: &dyn Parameters) -> Result<Self> {
        let ((cursor, statement), described) =
            handle.with_values(params, source.declared(), |raw, values| {
                let sql = Sql::Text(source.text());
                let (cursor, statement) = raw.stream_values(sql, values, ResultFormat::Binary)?;
                // One deadline applies to the statement as a whole.
                Ok((cursor.until(raw.call_end()), statement))
            })?;
        Self::of(handle, cursor, &statement, described)
    }

    /// Runs an unnamed statement whose parameters have these types.
    pub(crate) fn open_typed(
        mut handle: Handle<'a>,
        text: &str,
        params: &dyn Parameters,
        types: &[Type],
    ) -> Result<Self> {
        let (cursor, statement) = handle.with_typed(params, types, |raw, oids, values| {
            let (cursor, statement) = raw.stream_once(text, oids, values)?;
            Ok((cursor.until(raw.call_end()), statement))
        })?;
        Self::of(handle, cursor, &statement, None)
    }

    fn of(
        handle: Handle<'a>,
        cursor: StreamCursor,
        statement: &Prepared,
        described: Option<Arc<Described>>,
    ) -> Result<Self> {
        let fits = |described: &Arc<Described>| statement.is_named() || described.fits(cursor.columns());
        let known = || handle.describe_columns(cursor.columns()).map(Arc::new);
        match described.filter(fits).or_else(known) {
            Some(described) => Ok(Self::with(handle, Some(cursor), described, None, None)),
            // Types cannot be looked up while rows are being received.
            None => Self::read_whole(handle, cursor, statement),
        }
    }

    /// Requests the next rows of a portal: at most `most`, or all that are left if that is 0 or less. Does not wait for them.
    pub(in crate::sql) fn open_portal(mut handle: Handle<'a>, portal: &Portal, most: i32) -> Result<Self> {
        let (bound, described) = portal.parts();
        let raw = handle.raw();
        let cursor = raw.stream_portal(bound, most).map(|cursor| cursor.until(raw.call_end()));
        let cursor = cursor.map_err(|e| handle.explain(e))?;
        let described = described.clone();
        Ok(Self::with(handle, Some(cursor), described, None, None))
    }

    fn read_whole(mut handle: Handle<'a>, mut cursor: StreamCursor, statement: &Prepared) -> Result<Self> {
        let block = cursor.rest(handle.raw()).map_err(|e| handle.explain(e))?;
        let affected = block.rows_affected();
        let described = handle.description_of(block.columns(), statement, None)?;
        Ok(Self::of_rows(handle, Rows::new(block, described), affected))
    }

    /// Iterates over rows received already.
    pub(in crate::sql) fn of_rows(handle: Handle<'a>, rows: Arc<Rows>, affected: Option<u64>) -> Self {
        let described = rows.described().clone();
        Self::with(handle, None, described, Some(rows), affected)
    }

    fn with(
        handle: Handle<'a>,
        cursor: Option<StreamCursor>,
        described: Arc<Described>,
        portion: Option<Arc<Rows>>,
        affected: Option<u64>,
    ) -> Self {
        Self { handle, cursor, described, portion, ahead: VecDeque::new(), next: 0, affected }
    }

    /// Receives the rest of the result, and describes all of it anew: `block` shows that types were altered since they were
    /// looked up, and they cannot be looked up while rows are being received. The statement is not run again: it has an effect,
    /// and the caller may have seen rows of it. The rest is held in memory, once for each alteration.
    #[cold]
    fn receive_whole(&mut self, block: ResultBlock) -> Result<()> {
        let mut blocks = VecDeque::from([block]);
        if let Some(cursor) = &mut self.cursor {
            let raw = self.handle.raw();
            loop {
                match cursor.next_portion(raw, usize::MAX) {
                    Ok(Some(block)) => blocks.push_back(block),
                    Ok(None) => break,
                    Err(error) => {
                        self.cursor = None;
                        return Err(self.handle.explain(error));
                    }
                }
            }
        }
        if let Some(block) = blocks.front() {
            self.described = self.handle.describe_anew(&self.described, block.columns())?;
        }
        self.ahead = blocks.into_iter().map(|block| Rows::new(block, self.described.clone())).collect();
        Ok(())
    }

    /// Returns the number of rows that the statement changed or returned; `None` until the last was read.
    pub fn rows_affected(&self) -> Option<u64> {
        self.affected
    }
}

impl FallibleIterator for RowIter<'_> {
    type Item = Row;
    type Error = Error;

    /// Returns the next row. Blocks until one has come.
    fn next(&mut self) -> Result<Option<Row>> {
        loop {
            if let Some(row) = self.portion.as_ref().and_then(|portion| portion.row(self.next)) {
                self.next += 1;
                return Ok(Some(row));
            }
            self.portion = self.ahead.pop_front();
            if self.portion.is_some() {
                self.next = 0;
                continue;
            }
            let Some(cursor) = &mut self.cursor else { return Ok(None) };
            match cursor.next_arrived(self.handle.raw()) {
                Ok(Some(block)) if self.described.shows_altered_types(&block) => self.receive_whole(block)?,
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
            cursor.abandon();
            self.handle.raw().leave_unread();
        }
    }
}

impl std::fmt::Debug for RowIter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RowIter").field("columns", &self.described.columns).finish_non_exhaustive()
    }
}
