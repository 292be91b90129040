//! Results of the simple protocol: values as text.

use std::fmt;
use std::sync::Arc;

use super::row::no_column;
use super::row_index::{Named, RowIndex};
use crate::error::{Error, Phase, Result};
use crate::session::ResultBlock;
use crate::sql::handle::Handle;

/// A message of the answer to [`simple_query`](crate::PooledConnection::simple_query).
#[derive(Debug)]
#[non_exhaustive]
pub enum SimpleQueryMessage {
    /// A row.
    Row(SimpleQueryRow),
    /// The end of a statement, with the number of rows it changed or returned.
    CommandComplete(u64),
    /// The columns of the rows that follow.
    RowDescription(Arc<[SimpleColumn]>),
}

/// A column of an answer in the simple protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimpleColumn {
    name: Box<str>,
}

impl SimpleColumn {
    /// The name of the column.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Named for SimpleColumn {
    fn name(&self) -> &str {
        &self.name
    }
}

/// A row of an answer in the simple protocol: every value as the server prints it.
#[derive(Debug, Clone)]
pub struct SimpleQueryRow {
    columns: Arc<[SimpleColumn]>,
    block: Arc<ResultBlock>,
    index: usize,
}

impl SimpleQueryRow {
    /// Returns the columns of the row.
    pub fn columns(&self) -> &[SimpleColumn] {
        &self.columns
    }

    /// Returns whether the row has no columns.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the number of columns.
    pub fn len(&self) -> usize {
        self.columns.len()
    }

    /// Returns the text of a value, by the number from 0 or the name of its column; `None` for NULL.
    ///
    /// # Panics
    /// Panics when there is no such column, or the value is not UTF-8.
    #[track_caller]
    pub fn get<I: RowIndex + fmt::Display>(&self, index: I) -> Option<&str> {
        match self.try_get(&index) {
            Ok(value) => value,
            Err(error) => panic!("error retrieving column {index}: {error}"),
        }
    }

    /// Like [`get`](Self::get), but returns an error instead of panicking.
    ///
    /// # Errors
    /// [`Misuse`](crate::ErrorKind::Misuse) where `get` would panic.
    pub fn try_get<I: RowIndex + fmt::Display>(&self, index: I) -> Result<Option<&str>> {
        let Some(column) = index.__index(&self.columns) else { return Err(no_column(&index)) };
        let text = self.block.cell(self.index, column).map(str::from_utf8).transpose();
        text.map_err(|e| Error::misuse(format!("column `{index}`: {e}")).in_phase(Phase::Query))
    }
}

impl Handle<'_> {
    pub(crate) fn simple_query(&mut self, sql: &str) -> Result<Vec<SimpleQueryMessage>> {
        let blocks = self.raw().script(sql).map_err(|e| self.explain(e))?;
        let mut messages = Vec::new();
        if blocks.is_empty() {
            // The server answers an empty text with one completed command.
            messages.push(SimpleQueryMessage::CommandComplete(0));
        }
        for block in blocks {
            add(block, &mut messages);
        }
        Ok(messages)
    }
}

fn add(block: ResultBlock, messages: &mut Vec<SimpleQueryMessage>) {
    let affected = block.rows_affected().unwrap_or(0);
    if !block.columns().is_empty() {
        let columns: Arc<[_]> =
            block.columns().iter().map(|c| SimpleColumn { name: c.name.as_str().into() }).collect();
        messages.push(SimpleQueryMessage::RowDescription(columns.clone()));
        let block = Arc::new(block);
        messages.extend((0..block.rows()).map(|index| {
            SimpleQueryMessage::Row(SimpleQueryRow { columns: columns.clone(), block: block.clone(), index })
        }));
    }
    messages.push(SimpleQueryMessage::CommandComplete(affected));
}
