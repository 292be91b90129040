//! Rows with typed values.

use std::fmt;
use std::sync::Arc;

use postgres_types::{FromSql, WasNull, WrongType};

use super::column::Column;
use super::row_index::{Named, RowIndex};
use crate::error::{Error, Phase, Result};
use crate::session::ResultBlock;
use crate::sql::statements::described::Described;

/// A result, or a portion of one, with its description.
#[derive(Debug)]
pub(crate) struct Rows {
    block: ResultBlock,
    described: Arc<Described>,
}

/// A row of a result. Cheap to clone.
///
/// The rows of one result share its memory, which is freed when the last of them is dropped.
#[derive(Clone)]
pub struct Row {
    rows: Arc<Rows>,
    index: usize,
}

impl Rows {
    pub(in crate::sql) fn new(block: ResultBlock, described: Arc<Described>) -> Arc<Self> {
        Arc::new(Self { block, described })
    }

    pub(in crate::sql) fn count(&self) -> usize {
        self.block.rows()
    }

    /// Returns the row at `index`, if there is one.
    pub(in crate::sql) fn row(self: &Arc<Self>, index: usize) -> Option<Row> {
        (index < self.count()).then(|| Row { rows: self.clone(), index })
    }

    pub(in crate::sql) fn described(&self) -> &Arc<Described> {
        &self.described
    }

    /// Returns the only row of a result that must have exactly one.
    pub(crate) fn exactly_one(self: Arc<Self>) -> Result<Row> {
        if self.count() == 1 { Ok(Row { rows: self, index: 0 }) } else { Err(self.unexpected_count()) }
    }

    /// Returns the row of a result that must have one or none.
    pub(crate) fn at_most_one(self: Arc<Self>) -> Result<Option<Row>> {
        match self.count() {
            0 => Ok(None),
            1 => Ok(Some(Row { rows: self, index: 0 })),
            _ => Err(self.unexpected_count()),
        }
    }

    #[cold]
    fn unexpected_count(&self) -> Error {
        let message = format!("the query returned {} rows, and one was expected", self.count());
        Error::misuse(message).in_phase(Phase::Query)
    }

    pub(crate) fn into_vec(self: Arc<Self>) -> Vec<Row> {
        (0..self.count()).map(|index| Row { rows: self.clone(), index }).collect()
    }
}

impl Named for Column {
    fn name(&self) -> &str {
        Column::name(self)
    }
}

impl Row {
    /// Returns the columns of the row.
    pub fn columns(&self) -> &[Column] {
        &self.rows.described.columns
    }

    /// Returns whether the row has no columns.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the number of columns.
    pub fn len(&self) -> usize {
        self.columns().len()
    }

    /// Returns the value in a column, by its number from 0 or its name.
    ///
    /// ```
    /// let pool = holdfast::Pool::echo(holdfast::PoolConfig::new())?;
    /// let row = pool.query_one("echo:rows 1", &[])?;
    /// let (n, word): (i32, &str) = (row.get(0), row.get("word"));
    /// assert_eq!((n, word), (1, "row 1"));
    /// assert!(row.try_get::<_, i64>("n").is_err()); // it is an int4
    /// assert_eq!((row.len(), row.columns()[1].name()), (2, "word"));
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    ///
    /// # Panics
    /// Panics when there is no such column, or the value cannot be converted: it is NULL and `T` is no `Option`, or `T` does
    /// not accept its type.
    #[inline]
    #[track_caller]
    pub fn get<'a, I, T>(&'a self, index: I) -> T
    where
        I: RowIndex + fmt::Display,
        T: FromSql<'a>,
    {
        match self.try_get(&index) {
            Ok(value) => value,
            Err(error) => panic!("error retrieving column {index}: {error}"),
        }
    }

    /// Like [`get`](Self::get), but returns an error instead of panicking.
    ///
    /// # Errors
    /// [`Misuse`](crate::ErrorKind::Misuse) where `get` would panic.
    #[inline]
    pub fn try_get<'a, I, T>(&'a self, index: I) -> Result<T>
    where
        I: RowIndex + fmt::Display,
        T: FromSql<'a>,
    {
        let Some(column) = index.__index(self.columns()) else { return Err(no_column(&index)) };
        let type_ = self.columns()[column].type_();
        if !T::accepts(type_) {
            self.rows.described.forget_own_types();
            return Err(unconverted(Box::new(WrongType::new::<T>(type_.clone())), column, self));
        }
        let value = self.rows.block.cell(self.index, column);
        T::from_sql_nullable(type_, value).map_err(|e| {
            if !e.is::<WasNull>() {
                self.rows.described.forget_own_types();
            }
            unconverted(e, column, self)
        })
    }

    /// Returns the size of the row's values in bytes.
    ///
    /// ```
    /// # let mut conn = holdfast::Pool::echo(holdfast::PoolConfig::new())?.get()?;
    /// let row = conn.query_typed_one("select $1", &[(&7i32, holdfast::types::Type::INT4)])?;
    /// assert_eq!(row.raw_size_bytes(), 4, "an int4 in binary");
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn raw_size_bytes(&self) -> usize {
        let value = |column| self.rows.block.cell(self.index, column).map_or(0, <[u8]>::len);
        (0..self.len()).map(value).sum()
    }
}

#[cold]
pub(in crate::sql) fn no_column(index: &dyn fmt::Display) -> Error {
    Error::misuse(format!("the row has no column `{index}`")).in_phase(Phase::Query)
}

#[cold]
fn unconverted(error: Box<dyn std::error::Error + Sync + Send>, column: usize, row: &Row) -> Error {
    let column = &row.columns()[column];
    let message = format!("column `{}` (type {}): {error}", column.name(), column.type_());
    Error::misuse(message).in_phase(Phase::Query).with_source(error)
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Row").field("columns", &self.columns()).finish()
    }
}
