//! Packs: a result in one relocatable buffer, column by column, for runtimes that decode it themselves or write it to shared
//! memory. The layout is that of `holdfast_pack_header` and `holdfast_pack_column` in `include/holdfast.h`.

use super::result::{Column, ResultBlock, WireFormat};
use crate::error::{Error, Phase, Result};
use crate::protocol::session_parameters::TextSettings;
use crate::protocol::text_format;
use crate::protocol::text_format::float4_as_printed;
use crate::protocol::text_format::oid::{
    BOOL, BYTEA, DATE, FLOAT4, FLOAT8, INT2, INT4, INT8, OID, TIMESTAMP, TIMESTAMPTZ,
};

/// The bytes "HFPK", lowest first. A reader that finds another number has another byte order, or no pack.
pub(crate) const MAGIC: u32 = 0x4b50_4648;
pub(crate) const VERSION: u32 = 1;
pub(crate) const HEADER_SIZE: usize = 48;
pub(crate) const COLUMN_SIZE: usize = 64;

pub(crate) const HAS_NULLS: u32 = 1;
pub(crate) const ASCII: u32 = 2;

/// The largest pack: offsets have 32 bits.
const MAX_PACK_BYTES: usize = u32::MAX as usize;

/// The layout of a column's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool = 1,
    I32 = 2,
    I64 = 3,
    U32 = 4,
    F64 = 5,
    /// `i32` since 2000-01-01.
    Days = 6,
    /// `i64` since 2000-01-01 00:00:00.
    Micros = 7,
    Text = 8,
    Bytes = 9,
}

impl Kind {
    fn of(column: &Column, settings: TextSettings) -> Self {
        if column.format == WireFormat::Text {
            return Self::Text;
        }
        match column.type_oid {
            BOOL => Self::Bool,
            INT2 | INT4 => Self::I32,
            INT8 => Self::I64,
            OID => Self::U32,
            FLOAT4 | FLOAT8 => Self::F64,
            DATE => Self::Days,
            TIMESTAMP | TIMESTAMPTZ => Self::Micros,
            BYTEA => Self::Bytes,
            other if text_format::is_known(other, settings) => Self::Text,
            _ => Self::Bytes,
        }
    }
}

impl ResultBlock {
    /// Returns the whole result in one buffer without pointers, values column by column, numbers in this machine's byte order.
    /// It may be moved, copied to another process, and decoded without this library. `include/holdfast.h` describes the layout
    /// under "Packs", and which offsets are multiples of 8.
    ///
    /// # Errors
    /// [`Misuse`](crate::ErrorKind::Misuse) when the buffer would be larger than 4 GiB.
    ///
    /// ```
    /// # let mut conn = holdfast::Pool::echo(holdfast::PoolConfig::new())?.get()?;
    /// let results = conn.raw()?.script("echo:rows 2")?;
    /// let pack = results[0].pack()?;
    /// assert!(pack.len() > results[0].rows() * 8, "numbers take eight bytes a row");
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn pack(&self) -> Result<Vec<u8>> {
        self.pack_within(MAX_PACK_BYTES)
    }

    fn pack_within(&self, limit: usize) -> Result<Vec<u8>> {
        let packed = Packer::new(self, limit).pack();
        packed.ok_or_else(|| {
            let message = "the result is too large to be packed, for which it has to stay below 4 GiB: read it as a stream";
            Error::misuse(message).in_phase(Phase::Query)
        })
    }
}

/// A part of the buffer.
#[derive(Clone, Copy, Default)]
struct Span {
    at: usize,
    length: usize,
}

/// The values of one column in the buffer.
#[derive(Default)]
struct Data {
    values: Span,
    /// The bytes that the offsets in `values` point to; empty for kinds of fixed width.
    arena: Span,
}

/// The reason why a column was not written.
enum PackError {
    TooLarge,
    /// A value is not of its column's type.
    Malformed,
}

struct Packer<'a> {
    block: &'a ResultBlock,
    limit: usize,
    out: Vec<u8>,
    /// The NULL bits of the present column; empty while it has no NULL.
    nulls: Vec<u8>,
    /// The offsets of the present column, if its values vary in length.
    offsets: Vec<u32>,
    /// A text under construction.
    text: String,
}

impl<'a> Packer<'a> {
    fn new(block: &'a ResultBlock, limit: usize) -> Self {
        let columns = block.columns().len();
        let cells = block.rows().saturating_mul(columns).saturating_mul(8);
        // More than most results need. Untouched memory costs nothing, and is freed at the end.
        let room = HEADER_SIZE + columns * (COLUMN_SIZE + 40) + block.data_size().saturating_add(cells);
        Self {
            block,
            limit,
            out: Vec::with_capacity(room.min(limit)),
            nulls: Vec::new(),
            offsets: Vec::new(),
            text: String::new(),
        }
    }

    /// Builds the pack; `None` when it would be too large.
    fn pack(mut self) -> Option<Vec<u8>> {
        let columns = self.block.columns();
        self.out.resize(HEADER_SIZE + columns.len() * COLUMN_SIZE, 0);
        let tag = self.put_text(self.block.command_tag());
        for (index, column) in columns.iter().enumerate() {
            let described = self.column(index, column)?;
            let at = HEADER_SIZE + index * COLUMN_SIZE;
            self.write_words(at, &described);
        }
        self.align();
        let header = [
            MAGIC,
            VERSION,
            self.fit(self.out.len())?,
            u32::try_from(self.block.rows()).ok()?,
            u32::try_from(columns.len()).ok()?,
            HEADER_SIZE as u32,
            COLUMN_SIZE as u32,
            self.fit(tag.at)?,
            self.fit(tag.length)?,
        ];
        self.write_words(0, &header);
        if self.out.capacity() / 2 > self.out.len() {
            self.out.shrink_to_fit();
        }
        Some(self.out)
    }

    /// Returns a size or an offset that is within the limit.
    fn fit(&self, number: usize) -> Option<u32> {
        if number > self.limit { None } else { u32::try_from(number).ok() }
    }

    fn write_words(&mut self, at: usize, words: &[u32]) {
        for (place, word) in self.out[at..].as_chunks_mut::<4>().0.iter_mut().zip(words) {
            *place = word.to_ne_bytes();
        }
    }

    fn align(&mut self) {
        self.out.resize(self.out.len().next_multiple_of(8), 0);
    }

    /// Writes a text and a NUL, which its span does not count.
    fn put_text(&mut self, text: &str) -> Span {
        let at = self.out.len();
        self.out.extend_from_slice(text.as_bytes());
        self.out.push(0);
        Span { at, length: text.len() }
    }

    /// Writes name and values of a column, and returns its description.
    fn column(&mut self, index: usize, column: &Column) -> Option<[u32; COLUMN_SIZE / 4]> {
        let name = self.put_text(&column.name);
        self.align();
        let start = self.out.len();
        let mut kind = Kind::of(column, self.block.settings());
        let data = match self.values(index, column.type_oid, kind) {
            Ok(data) => data,
            Err(PackError::TooLarge) => return None,
            Err(PackError::Malformed) => {
                // Malformed values are kept as received.
                self.out.truncate(start);
                kind = Kind::Bytes;
                self.values(index, column.type_oid, kind).ok()?
            }
        };
        let arena = &self.out[data.arena.at..data.arena.at + data.arena.length];
        let ascii = kind == Kind::Text && arena.is_ascii();
        self.align();
        let nulls = if self.nulls.is_empty() { 0 } else { self.out.len() };
        self.out.extend_from_slice(&self.nulls);
        self.align();
        self.fit(self.out.len())?;
        Some([
            column.type_oid,
            kind as u32,
            if nulls == 0 { 0 } else { HAS_NULLS } | if ascii { ASCII } else { 0 },
            u32::from(column.format == WireFormat::Binary),
            self.fit(name.at)?,
            self.fit(name.length)?,
            column.table_oid,
            i32::from(column.column_number) as u32,
            i32::from(column.type_size) as u32,
            column.type_modifier as u32,
            self.fit(nulls)?,
            self.fit(data.values.at)?,
            self.fit(data.values.length)?,
            self.fit(data.arena.at)?,
            self.fit(data.arena.length)?,
            0,
        ])
    }

    fn values(&mut self, index: usize, type_oid: u32, kind: Kind) -> Result<Data, PackError> {
        self.nulls.clear();
        match kind {
            Kind::Bool => self.fixed(index, |[b]: [u8; 1]| [u8::from(b != 0)]),
            Kind::I32 if type_oid == INT2 => {
                self.fixed(index, |b| i32::from(i16::from_be_bytes(b)).to_ne_bytes())
            }
            Kind::I32 | Kind::U32 | Kind::Days => self.fixed(index, |b| u32::from_be_bytes(b).to_ne_bytes()),
            Kind::F64 if type_oid == FLOAT4 => {
                self.fixed(index, |b| float4_as_printed(f32::from_be_bytes(b)).to_ne_bytes())
            }
            Kind::I64 | Kind::F64 | Kind::Micros => {
                self.fixed(index, |b| u64::from_be_bytes(b).to_ne_bytes())
            }
            Kind::Text => self.varying(index, type_oid, true),
            Kind::Bytes => self.varying(index, type_oid, false),
        }
    }

    /// Writes values of one width, zero for NULL.
    fn fixed<const FROM: usize, const TO: usize>(
        &mut self,
        index: usize,
        convert: impl Fn([u8; FROM]) -> [u8; TO],
    ) -> Result<Data, PackError> {
        let (at, length) = (self.out.len(), self.block.rows().saturating_mul(TO));
        if length > self.limit {
            return Err(PackError::TooLarge);
        }
        self.out.resize(at + length, 0);
        let places = self.out[at..].as_chunks_mut::<TO>().0;
        for (row, (cell, place)) in self.block.values_of(index).zip(places).enumerate() {
            match cell {
                Some(bytes) => *place = convert(bytes.try_into().map_err(|_| PackError::Malformed)?),
                None => set_null_bit(&mut self.nulls, row, self.block.rows()),
            }
        }
        Ok(Data { values: Span { at, length }, arena: Span::default() })
    }

    /// Writes values of any length one behind the other, then the offset of each and of the end.
    fn varying(&mut self, index: usize, type_oid: u32, as_text: bool) -> Result<Data, PackError> {
        let (block, start) = (self.block, self.out.len());
        let as_it_came = !as_text || block.columns()[index].format == WireFormat::Text;
        self.offsets.clear();
        self.offsets.push(0);
        for (row, cell) in block.values_of(index).enumerate() {
            match cell {
                Some(bytes) if as_it_came => self.out.extend_from_slice(bytes),
                Some(bytes) => self.put_binary_as_text(type_oid, bytes)?,
                None => set_null_bit(&mut self.nulls, row, block.rows()),
            }
            let end = self.out.len() - start;
            self.offsets.push(self.fit(end).ok_or(PackError::TooLarge)?);
        }
        if as_text && !is_text(&self.out[start..], &self.offsets) {
            return Err(PackError::Malformed);
        }
        let arena = Span { at: start, length: self.out.len() - start };
        self.align();
        let at = self.out.len();
        self.out.extend(self.offsets.iter().flat_map(|offset| offset.to_ne_bytes()));
        Ok(Data { values: Span { at, length: self.out.len() - at }, arena })
    }

    /// Writes the text of a binary value.
    fn put_binary_as_text(&mut self, type_oid: u32, bytes: &[u8]) -> Result<(), PackError> {
        if let Some(text) = text_format::within(type_oid, bytes) {
            self.out.extend_from_slice(text);
            return Ok(());
        }
        self.text.clear();
        text_format::write(type_oid, bytes, self.block.settings(), &mut self.text)
            .ok_or(PackError::Malformed)?;
        self.out.extend_from_slice(self.text.as_bytes());
        Ok(())
    }
}

/// Returns whether all values are UTF-8. Text from a database in SQL_ASCII need not be.
fn is_text(arena: &[u8], offsets: &[u32]) -> bool {
    arena.is_ascii()
        || str::from_utf8(arena).is_ok_and(|all| offsets.iter().all(|at| all.is_char_boundary(*at as usize)))
}

/// Sets the bit of a NULL; bits count from the lowest of each byte.
fn set_null_bit(nulls: &mut Vec<u8>, row: usize, rows: usize) {
    if nulls.is_empty() {
        nulls.resize(rows.div_ceil(8), 0);
    }
    nulls[row / 8] |= 1 << (row % 8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    /// Columns by type and format, and rows of values.
    fn block(types: &[(u32, WireFormat)], rows: &[&[Option<&[u8]>]]) -> ResultBlock {
        let column = |(index, (type_oid, format)): (usize, &(u32, WireFormat))| {
            Column::of_type(&format!("column {index}"), *type_oid, *format)
        };
        let mut block = ResultBlock::new(types.iter().enumerate().map(column).collect());
        for row in rows {
            let mut body = (row.len() as u16).to_be_bytes().to_vec();
            for value in *row {
                body.extend(value.map_or(-1, |v| v.len() as i32).to_be_bytes());
                body.extend(value.unwrap_or_default());
            }
            block.push_row(&body, TextSettings::ordinary(15)).expect("a row");
        }
        block
    }

    fn word(pack: &[u8], at: usize) -> u32 {
        u32::from_ne_bytes(pack[at..at + 4].try_into().expect("four bytes"))
    }

    /// A word of the description of a column, by its number.
    fn described(pack: &[u8], column: usize, number: usize) -> usize {
        word(pack, HEADER_SIZE + column * COLUMN_SIZE + 4 * number) as usize
    }

    #[test]
    fn all_that_varies_lies_at_multiples_of_8() {
        let types = [(BOOL, WireFormat::Binary), (25, WireFormat::Text), (BYTEA, WireFormat::Binary)];
        for rows in 0..20 {
            let row: &[Option<&[u8]>] = &[Some(&[1]), None, Some(b"abc")];
            let pack = block(&types, &vec![row; rows]).pack().expect("a small one");
            assert_eq!((word(&pack, 8) as usize, pack.len() % 8), (pack.len(), 0));
            for column in 0..3 {
                let places = [10, 11, 13].map(|number| described(&pack, column, number));
                assert!(places.iter().all(|at| at % 8 == 0 && *at < pack.len() + 8), "{rows} {places:?}");
            }
        }
    }

    #[test]
    fn what_is_not_of_its_type_stays_as_it_came() {
        let values: &[&[Option<&[u8]>]] = &[&[None, Some(&[0; 16])], &[Some(&[0, 1]), Some(&[7; 3])]];
        let pack = block(&[(INT4, WireFormat::Binary), (2950, WireFormat::Binary)], values).pack().unwrap();
        for column in 0..2 {
            assert_eq!(described(&pack, column, 1), Kind::Bytes as usize);
        }
        let (values, arena) = (described(&pack, 0, 11), described(&pack, 0, 13));
        assert_eq!([0, 4, 8].map(|n| word(&pack, values + n)), [0, 0, 2]);
        assert_eq!((&pack[arena..arena + 2], pack[described(&pack, 0, 10)]), (&[0, 1][..], 1));
    }

    #[test]
    fn text_that_is_not_utf8_stays_as_it_came() {
        let kinds = |values: &[&[Option<&[u8]>]]| {
            let pack = block(&[(25, WireFormat::Text), (25, WireFormat::Binary)], values).pack().unwrap();
            [0, 1].map(|column| described(&pack, column, 1))
        };
        let (text, bytes) = (Kind::Text as usize, Kind::Bytes as usize);
        assert_eq!(kinds(&[&[Some(b"\xc3\xbc"), Some(b"\xc3\xbc")]]), [text, text]);
        assert_eq!(kinds(&[&[Some(b"\xfc"), Some(b"ok")], &[None, Some(b"\xff")]]), [bytes, bytes]);
        // Of two values that are one character together, neither is text.
        let halves: &[&[Option<&[u8]>]] = &[&[Some(b"\xc3"), None], &[Some(b"\xbc"), None]];
        assert_eq!(kinds(halves), [bytes, text]);
    }

    #[test]
    fn what_would_be_too_large_is_refused() {
        let types = [(25, WireFormat::Text), (INT8, WireFormat::Binary)];
        let row: &[Option<&[u8]>] = &[Some(b"0123456789"), Some(&[0; 8])];
        let block = block(&types, &[row; 50]);
        let size = block.pack().expect("far below 4 GiB").len();
        assert_eq!(block.pack_within(size).expect("it fits").len(), size);
        for limit in 0..size {
            let error = block.pack_within(limit).expect_err("it does not fit");
            assert_eq!(error.kind(), ErrorKind::Misuse);
        }
    }
}
