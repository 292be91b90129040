//! Result blocks: values back to back, an index of cells, the columns' description.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::protocol::command_tag::CommandTag;
use crate::protocol::session_parameters::TextSettings;
use crate::protocol::text_format;
use crate::session::exchange::reader::malformed;

/// The format of a value on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireFormat {
    /// Text, as the server prints it.
    Text,
    /// The binary form of its type.
    Binary,
}

impl WireFormat {
    pub(in crate::session) fn code(self) -> i16 {
        match self {
            Self::Text => 0,
            Self::Binary => 1,
        }
    }
}

/// One column of a result, as `RowDescription` describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Column {
    /// The name of the column in this result.
    pub name: String,
    /// The OID of its table; 0 when the column is no table's.
    pub table_oid: u32,
    /// The number of the column in that table, from 1; 0 when it is no table's.
    pub column_number: i16,
    /// The OID of its type, as in `pg_type`.
    pub type_oid: u32,
    /// The size of the type in bytes; negative for variable length.
    pub type_size: i16,
    /// The length of a `varchar(n)` and the like, as in `pg_attribute.atttypmod`; -1 for none.
    pub type_modifier: i32,
    /// The format of its values.
    pub format: WireFormat,
}

#[cfg(any(test, feature = "fuzzing"))]
impl Column {
    /// A computed column, of variable length and no table.
    pub(crate) fn of_type(name: &str, type_oid: u32, format: WireFormat) -> Self {
        let name = name.to_owned();
        Self { name, table_oid: 0, column_number: 0, type_oid, type_size: -1, type_modifier: -1, format }
    }
}

/// The place of a value in the block; `length` is -1 for NULL.
#[derive(Debug, Clone, Copy)]
struct Cell {
    start: u32,
    length: i32,
}

/// The rows of one statement. Immutable once finished, and independent of its connection.
///
/// ```
/// # let mut conn = holdfast::Pool::echo(holdfast::PoolConfig::new())?.get()?;
/// let results = conn.raw()?.script("echo:rows 2")?;
/// assert_eq!((results[0].rows(), results[0].columns()[1].name.as_str()), (2, "word"));
/// assert_eq!((results[0].text(1, 1).as_deref(), results[0].cell(1, 0)), (Some("row 2"), Some(&b"2"[..])));
/// assert_eq!((results[0].command_tag(), results[0].rows_affected()), ("SELECT 2", Some(2)));
/// # Ok::<(), holdfast::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ResultBlock {
    columns: Arc<[Column]>,
    cells: Vec<Cell>,
    /// Rows as received, but for a NUL behind each value, so that a text can be handed out as a C string.
    data: Vec<u8>,
    rows: usize,
    tag: CommandTag,
    /// The settings of the session when the first row came.
    settings: TextSettings,
}

/// The size of a statement's last result, for which the next one gets room from the start. Growing by doubling touches twice
/// the memory, and each fresh page costs a fault: 2,000 of them, 8 of 45 ms, for 100,000 rows.
#[derive(Debug, Default)]
pub(in crate::session) struct LastSize {
    bytes: AtomicUsize,
    cells: AtomicUsize,
}

impl LastSize {
    /// The smallest result noted. Smaller ones grow in memory that the allocator has at hand.
    const MIN_NOTED_BYTES: usize = 64 * 1024;
    /// The most room reserved on an expectation.
    const MAX_NOTED_BYTES: usize = 64 * 1024 * 1024;

    pub(in crate::session) fn note(&self, block: &ResultBlock) {
        let worth_it = block.data.len() >= Self::MIN_NOTED_BYTES;
        if worth_it || self.bytes.load(Relaxed) > 0 {
            let (bytes, cells) = if worth_it { (block.data.len(), block.cells.len()) } else { (0, 0) };
            self.bytes.store(bytes.min(Self::MAX_NOTED_BYTES), Relaxed);
            self.cells.store(cells.min(Self::MAX_NOTED_BYTES / size_of::<Cell>()), Relaxed);
        }
    }
}

/// The limit of a block, so that its index can be small; larger results are streamed.
const MAX_BLOCK_BYTES: usize = u32::MAX as usize;

impl ResultBlock {
    pub(in crate::session) fn new(columns: Arc<[Column]>) -> Self {
        Self {
            columns,
            cells: Vec::new(),
            data: Vec::new(),
            rows: 0,
            tag: CommandTag::default(),
            settings: TextSettings::default(),
        }
    }

    /// Returns a block with room for a result as large as the last one.
    pub(in crate::session) fn with_room_like(columns: Arc<[Column]>, last: &LastSize) -> Self {
        let mut block = Self::new(columns);
        let bytes = last.bytes.load(Relaxed);
        if bytes > 0 {
            // If the reservation fails, the block grows as it fills.
            let _ = block.data.try_reserve(bytes);
            let _ = block.cells.try_reserve(last.cells.load(Relaxed));
        }
        block
    }

    /// Returns a block of these rows.
    #[cfg(all(test, feature = "capi"))]
    pub(crate) fn of_rows(columns: Arc<[Column]>, bodies: &[&[u8]], settings: TextSettings) -> Self {
        let mut block = Self::new(columns);
        bodies.iter().for_each(|body| block.push_row(body, settings).expect("a row"));
        block
    }

    /// Adds the body of a `DataRow`: a count, then a length and that many bytes for each value. `settings` are the session's;
    /// those of the first row count.
    pub(in crate::session) fn push_row(
        &mut self,
        body: &[u8],
        settings: TextSettings,
    ) -> std::io::Result<()> {
        if self.rows == 0 {
            self.settings = settings;
        }
        let (count, mut rest) = body.split_first_chunk::<2>().ok_or_else(malformed)?;
        if usize::from(u16::from_be_bytes(*count)) != self.columns.len() {
            return Err(malformed());
        }
        // The row is copied whole, and the first byte of each length becomes the NUL behind the value before it. One copy for
        // each row takes half of the time of one for each value, for three bytes more each.
        let kept = self.data.len();
        let whole = rest.len();
        self.data.try_reserve(whole + 1)?;
        self.cells.try_reserve(self.columns.len())?;
        self.data.extend_from_slice(rest);
        self.data.push(0);
        let copy = &mut self.data[kept..];
        let first_cell = self.cells.len();
        self.cells.resize(first_cell + self.columns.len(), Cell { start: 0, length: -1 });
        for cell in &mut self.cells[first_cell..] {
            copy[whole - rest.len()] = 0;
            let (length, after) = rest.split_first_chunk::<4>().ok_or_else(malformed)?;
            let length = i32::from_be_bytes(*length);
            *cell = Cell { start: (kept + whole - after.len()) as u32, length };
            let size = match usize::try_from(length) {
                Ok(size) => size,
                Err(_) if length == -1 => 0,
                Err(_) => return Err(malformed()),
            };
            rest = after.get(size..).ok_or_else(malformed)?;
        }
        self.rows += 1;
        if rest.is_empty() { Ok(()) } else { Err(malformed()) }
    }

    /// Iterates over the values of one column, row by row; `None` for NULL. Empty for a column that does not exist.
    pub(in crate::session) fn values_of(&self, column: usize) -> impl Iterator<Item = Option<&[u8]>> {
        let own = if column < self.columns.len() { self.cells.get(column..) } else { None };
        own.unwrap_or_default().iter().step_by(self.columns.len().max(1)).map(|cell| self.bytes_of(*cell))
    }

    fn bytes_of(&self, cell: Cell) -> Option<&[u8]> {
        let length = usize::try_from(cell.length).ok()?;
        let start = cell.start as usize;
        self.data.get(start..start + length)
    }

    /// Returns at least the bytes of all values, and one more each.
    pub(in crate::session) fn data_size(&self) -> usize {
        self.data.len()
    }

    pub(in crate::session) fn settings(&self) -> TextSettings {
        self.settings
    }

    /// Returns whether another row of this size fits.
    pub(in crate::session) fn has_room_for(&self, body: usize) -> bool {
        self.data.len() + body + self.columns.len() < MAX_BLOCK_BYTES
    }

    /// Returns the size of its values in bytes.
    pub(in crate::session) fn bytes(&self) -> usize {
        self.data.len()
    }

    /// Completes the block with its tag, and frees room that was not needed.
    pub(in crate::session) fn finish(&mut self, tag: CommandTag) {
        self.tag = tag;
        if self.data.capacity() > 2 * self.data.len() + LastSize::MIN_NOTED_BYTES {
            self.data.shrink_to_fit();
            self.cells.shrink_to_fit();
        }
    }

    /// Returns the number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Returns the description of the columns.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Returns the bytes of a value as received; `None` for NULL and beyond the edges.
    pub fn cell(&self, row: usize, column: usize) -> Option<&[u8]> {
        if column >= self.columns.len() {
            return None;
        }
        let cell = self.cells.get(row.checked_mul(self.columns.len())? + column)?;
        self.bytes_of(*cell)
    }

    /// Returns a value as text, exactly as the server prints it. Text columns are returned as received; binary values of these
    /// types are converted: bool, the integers, oid, xid, cid, xid8, floats, numeric, `"char"`, the text types, json, jsonb,
    /// jsonpath, xml, bytea, uuid, date, time, timetz, timestamp, timestamptz, interval, inet, cidr, macaddr, macaddr8, bit and
    /// varbit.
    ///
    /// `None` for NULL and beyond the edges, for binary values of other types, and where the server's text depends on settings
    /// that are not the ones supported: dates and timestamps unless `DateStyle` was ISO, timestamptz unless `TimeZone` was UTC,
    /// intervals unless `IntervalStyle` was `postgres`, floats from servers before PostgreSQL 12. Two settings that servers do
    /// not report are assumed to be the defaults: `bytea_output=hex` and an `extra_float_digits` of 1 or more.
    /// [`ResultFormat::Automatic`](crate::session::ResultFormat::Automatic) requests text where this would be `None`.
    pub fn text(&self, row: usize, column: usize) -> Option<Cow<'_, str>> {
        if let Some(bytes) = self.text_as_it_came(row, column) {
            return str::from_utf8(bytes).ok().map(Cow::Borrowed);
        }
        let mut text = String::with_capacity(40);
        self.write_text(row, column, &mut text)?;
        Some(Cow::Owned(text))
    }

    /// Returns the text of a value that is in the block as such, followed by a NUL.
    pub(crate) fn text_as_it_came(&self, row: usize, column: usize) -> Option<&[u8]> {
        let bytes = self.cell(row, column)?;
        let column = &self.columns[column];
        match column.format {
            WireFormat::Text => Some(bytes),
            WireFormat::Binary => text_format::within(column.type_oid, bytes),
        }
    }

    /// Appends the text of a binary value that has to be converted. On `None`, `text` holds garbage.
    pub(crate) fn write_text(&self, row: usize, column: usize, text: &mut String) -> Option<()> {
        let bytes = self.cell(row, column)?;
        text_format::write(self.columns[column].type_oid, bytes, self.settings, text)
    }

    /// Returns the command tag: `SELECT 3`, `INSERT 0 1`. Empty while rows are still to come.
    pub fn command_tag(&self) -> &str {
        self.tag.as_str()
    }

    #[cfg(feature = "capi")]
    pub(crate) fn tag(&self) -> &CommandTag {
        &self.tag
    }

    /// Returns the number at the end of the command tag: rows changed or returned; `None` for commands that count none.
    pub fn rows_affected(&self) -> Option<u64> {
        self.tag.rows()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(columns: usize) -> ResultBlock {
        ResultBlock::new(vec![Column::of_type("c", 25, WireFormat::Text); columns].into())
    }

    fn push(block: &mut ResultBlock, body: &[u8]) -> std::io::Result<()> {
        block.push_row(body, TextSettings::ordinary(15))
    }

    #[test]
    fn values_and_nulls_are_found_by_row_and_column() {
        let mut block = block(2);
        push(&mut block, b"\0\x02\0\0\0\x02ab\xff\xff\xff\xff").unwrap();
        push(&mut block, b"\0\x02\0\0\0\0\0\0\0\x01c").unwrap();
        assert_eq!(block.rows(), 2);
        assert_eq!(block.cell(0, 0), Some(&b"ab"[..]));
        assert_eq!(block.cell(0, 1), None);
        assert_eq!(block.cell(1, 0), Some(&b""[..]));
        assert_eq!(block.cell(1, 1), Some(&b"c"[..]));
        assert_eq!((block.cell(2, 0), block.cell(0, 2), block.cell(usize::MAX, 1)), (None, None, None));
    }

    #[test]
    fn every_value_is_followed_by_a_nul_whatever_comes_after_it() {
        let mut block = block(4);
        let long = vec![b'x'; 0x0100_0000]; // whose length does not begin with a zero byte
        let mut body = b"\0\x04\0\0\0\x02ab\x01\0\0\0".to_vec();
        body.extend_from_slice(&long);
        body.extend_from_slice(b"\xff\xff\xff\xff\0\0\0\x01z");
        push(&mut block, &body).unwrap();
        for (column, value) in [(0, &b"ab"[..]), (1, &long), (3, b"z")] {
            assert!(block.cell(0, column) == Some(value), "column {column}");
            let Cell { start, length } = block.cells[column];
            assert_eq!(block.data[start as usize + length as usize], 0, "behind column {column}");
        }
        assert_eq!(block.cell(0, 2), None);
    }

    #[test]
    fn a_result_gets_room_for_one_like_the_last_and_gives_back_what_it_did_not_need() {
        let (last, mut large) = (LastSize::default(), block(1));
        let body = [&b"\0\x01\0\x01\0\0"[..], &[b'x'; 0x1_0000]].concat();
        (0..4).for_each(|_| push(&mut large, &body).unwrap());
        last.note(&large);
        let mut next = ResultBlock::with_room_like(large.columns.clone(), &last);
        assert!(next.data.capacity() >= large.data.len() && next.cells.capacity() >= 4);
        push(&mut next, b"\0\x01\0\0\0\x01y").unwrap();
        next.finish(CommandTag::default());
        assert!(next.data.capacity() < LastSize::MIN_NOTED_BYTES, "{}", next.data.capacity());
        last.note(&next);
        assert_eq!(ResultBlock::with_room_like(large.columns.clone(), &last).data.capacity(), 0);
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
            assert!(push(&mut block(1), body).is_err(), "{body:?}");
        }
    }
}
