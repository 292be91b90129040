//! A result in one block: values back to back, an index of cells, the columns' description.

use std::sync::Arc;

use super::wire::malformed;

/// How values travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireFormat {
    /// As the server prints it.
    Text,
    /// In the binary form of its type.
    Binary,
}

impl WireFormat {
    pub(super) fn code(self) -> i16 {
        match self {
            Self::Text => 0,
            Self::Binary => 1,
        }
    }
}

/// One column of a result, as `RowDescription` tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name in this result.
    pub name: String,
    /// 0 when the column is no table's.
    pub table_oid: u32,
    /// Its number in that table, from 1; 0 when it is no table's.
    pub column_number: i16,
    /// Its type, as in `pg_type`.
    pub type_oid: u32,
    /// Negative for types of variable length.
    pub type_size: i16,
    /// The length of a `varchar(n)` and the like, as in `pg_attribute.atttypmod`; -1 for none.
    pub type_modifier: i32,
    /// How its values came.
    pub format: WireFormat,
}

/// Where a value lies in the block; `length` is -1 for NULL.
#[derive(Debug, Clone, Copy)]
struct Cell {
    start: u32,
    length: i32,
}

/// The rows of one statement. Immutable once finished, and free of the connection it came from.
#[derive(Debug, Clone)]
pub struct ResultBlock {
    columns: Arc<[Column]>,
    cells: Vec<Cell>,
    /// Each value is followed by a NUL, so that a text can be handed out as a C string.
    data: Vec<u8>,
    rows: usize,
    tag: String,
}

/// A block holds less than this, so that its index can be small; larger results are streamed.
const MOST_BYTES: usize = u32::MAX as usize;

impl ResultBlock {
    pub(super) fn new(columns: Arc<[Column]>) -> Self {
        Self { columns, cells: Vec::new(), data: Vec::new(), rows: 0, tag: String::new() }
    }

    /// Adds the body of a `DataRow`: a count, then a length and that many bytes for each value.
    pub(super) fn push_row(&mut self, body: &[u8]) -> std::io::Result<()> {
        let (count, mut rest) = body.split_first_chunk::<2>().ok_or_else(malformed)?;
        if usize::from(u16::from_be_bytes(*count)) != self.columns.len() {
            return Err(malformed());
        }
        // The lengths that travel with the values are longer than the NULs kept with them.
        self.data.reserve(rest.len());
        self.cells.reserve(self.columns.len());
        for _ in 0..self.columns.len() {
            let (length, after) = rest.split_first_chunk::<4>().ok_or_else(malformed)?;
            let length = i32::from_be_bytes(*length);
            let start = self.data.len() as u32;
            rest = after;
            if let Ok(n) = usize::try_from(length) {
                let value = rest.get(..n).ok_or_else(malformed)?;
                self.data.extend_from_slice(value);
                self.data.push(0);
                rest = &rest[n..];
            } else if length != -1 {
                return Err(malformed());
            }
            self.cells.push(Cell { start, length });
        }
        self.rows += 1;
        if rest.is_empty() { Ok(()) } else { Err(malformed()) }
    }

    /// Whether another row of this size still fits.
    pub(super) fn has_room_for(&self, body: usize) -> bool {
        self.data.len() + body + self.columns.len() < MOST_BYTES
    }

    pub(super) fn finish(&mut self, tag: String) {
        self.tag = tag;
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The description of the columns.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The bytes of a value as they came; `None` for NULL and beyond the edges.
    pub fn cell(&self, row: usize, column: usize) -> Option<&[u8]> {
        if column >= self.columns.len() {
            return None;
        }
        let cell = self.cells.get(row.checked_mul(self.columns.len())? + column)?;
        let length = usize::try_from(cell.length).ok()?;
        let start = cell.start as usize;
        self.data.get(start..start + length)
    }

    /// What the server did, in its own words: `SELECT 3`, `INSERT 0 1`. Empty while rows are still to come.
    pub fn command_tag(&self) -> &str {
        &self.tag
    }

    /// The number at the end of the command tag: rows changed or returned; `None` for commands that count none.
    pub fn rows_affected(&self) -> Option<u64> {
        self.tag.rsplit(' ').next()?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(columns: usize) -> ResultBlock {
        let column = Column {
            name: "c".into(),
            table_oid: 0,
            column_number: 0,
            type_oid: 25,
            type_size: -1,
            type_modifier: -1,
            format: WireFormat::Text,
        };
        ResultBlock::new(vec![column; columns].into())
    }

    #[test]
    fn values_and_nulls_are_found_by_row_and_column() {
        let mut block = block(2);
        block.push_row(b"\0\x02\0\0\0\x02ab\xff\xff\xff\xff").unwrap();
        block.push_row(b"\0\x02\0\0\0\0\0\0\0\x01c").unwrap();
        assert_eq!(block.rows(), 2);
        assert_eq!(block.cell(0, 0), Some(&b"ab"[..]));
        assert_eq!(block.cell(0, 1), None);
        assert_eq!(block.cell(1, 0), Some(&b""[..]));
        assert_eq!(block.cell(1, 1), Some(&b"c"[..]));
        assert_eq!((block.cell(2, 0), block.cell(0, 2), block.cell(usize::MAX, 1)), (None, None, None));
    }

    #[test]
    fn a_row_that_lies_about_its_lengths_is_refused() {
        for body in [
            &b""[..],
            b"\0",
            b"\0\x01",
            b"\0\x01\0\0\0\x05ab",
            b"\0\x02\0\0\0\x01a",
            b"\0\x01\xff\xff\xff\xfe",
            b"\0\x01\0\0\0\x01ab",
        ] {
            assert!(block(1).push_row(body).is_err(), "{body:?}");
        }
    }

    #[test]
    fn the_command_tag_counts_rows_where_it_does() {
        let mut block = block(0);
        for (tag, rows) in [("INSERT 0 5", Some(5)), ("SELECT 3", Some(3)), ("BEGIN", None), ("", None)] {
            block.finish(tag.into());
            assert_eq!(block.rows_affected(), rows, "{tag}");
        }
    }
}
