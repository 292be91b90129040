//! Results.
//!
//! A result is one block of memory that never changes and outlives connection and pool: all of these may be called from any
//! thread, and none blocks. Rows and columns are counted from 0.

use std::ffi::c_char;
use std::ptr;
use std::sync::OnceLock;

use super::value::{self, Place};
use crate::ffi::capi::boundary::growable;
use crate::ffi::capi::boundary::growable::Growing;
use crate::ffi::capi::boundary::guard::{Failure, Outcome, guard, or_default};
use crate::ffi::capi::boundary::handle::{Kept, another, free, handle, look};
use crate::ffi::capi::boundary::lazy_texts::KeptTexts;
use crate::ffi::capi::library::error::holdfast_error;
use crate::ffi::capi::library::status::{HOLDFAST_STATUS_IS_NULL, HOLDFAST_STATUS_TYPE, holdfast_status};
use crate::ffi::capi::library::text::{EMPTY, Text, ended, holdfast_str, text};
use crate::session::{Column, ResultBlock, WireFormat};

/// The rows of one statement. Free it with holdfast_result_free.
pub struct holdfast_result {
    _opaque: [u8; 0],
}

handle!(holdfast_result: Block, b"hf-reslt");

/// The results of the statements of a script. Free it with holdfast_results_free.
pub struct holdfast_results {
    _opaque: [u8; 0],
}

handle!(holdfast_results: Blocks, b"hf-rslts");

/// A result with the texts that C asks for.
pub struct Block {
    pub(in crate::ffi::capi) core: ResultBlock,
    /// Made when the first is asked for.
    names: OnceLock<Vec<Text>>,
    /// The texts of binary values that were read as text, by the number of the cell.
    texts: KeptTexts,
}

impl Block {
    pub(in crate::ffi::capi) fn new(core: ResultBlock) -> Self {
        Self { core, names: OnceLock::new(), texts: KeptTexts::default() }
    }

    fn text(&self, Place { row, column }: Place) -> Option<holdfast_str> {
        if let Some(bytes) = self.core.text_as_it_came(row, column) {
            // A database in SQL_ASCII has whatever it was given.
            let text = std::str::from_utf8(bytes).ok()?;
            return Some(holdfast_str { ptr: text.as_ptr().cast(), len: text.len() });
        }
        let number = row * self.core.columns().len() + column;
        self.texts.get(number, |text| self.core.write_text(row, column, text))
    }
}

/// The names of columns as C reads them.
pub(in crate::ffi::capi) fn names(columns: &[Column]) -> Vec<Text> {
    columns.iter().map(|c| Text::new(c.name.as_str())).collect()
}

pub struct Blocks(Vec<Kept<holdfast_result>>);

impl Blocks {
    pub(in crate::ffi::capi) fn new(blocks: Vec<ResultBlock>) -> Self {
        Self(blocks.into_iter().map(|block| Kept::new(Block::new(block))).collect())
    }
}

/// A value as it came. ptr is NULL for the NULL of SQL. A NUL follows, which len does not count. Belongs to the result,
/// unless a comment says otherwise.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct holdfast_cell {
    /// The first byte, or NULL.
    pub ptr: *const u8,
    /// The number of bytes.
    pub len: usize,
}

/// A column of a result, statement or stream. Set struct_size before the call that fills it. The name belongs to the
/// object that was asked.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct holdfast_column {
    /// sizeof(holdfast_column).
    pub struct_size: u32,
    /// Its type, as in pg_type.
    pub type_oid: u32,
    /// The length of values of this type; negative if it varies.
    pub type_size: i32,
    /// The type's modifier, of varchar(n) for instance, as in pg_attribute.atttypmod; -1 for none.
    pub type_modifier: i32,
    /// The table it comes from; 0 if it is no table's.
    pub table_oid: u32,
    /// Its number in that table, from 1; 0 if it is no table's.
    pub column_number: i32,
    /// HOLDFAST_FORMAT_TEXT or HOLDFAST_FORMAT_BINARY: how its values came. Of a statement always the former.
    pub format: i32,
    /// Always 0.
    pub reserved: u32,
    /// Its name.
    pub name: holdfast_str,
}

// SAFETY: repr(C); eight fields of four bytes, then a pointer and a length: no padding, and zero is a value of each.
unsafe impl Growing for holdfast_column {}

/// The number of rows; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_result_rows(result: *const holdfast_result) -> usize {
    // SAFETY: the caller gives NULL or a live result.
    or_default(0, || Ok(unsafe { look(result)? }.core.rows()))
}

/// The number of columns; 0 for NULL and for statements that return no rows.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_result_columns(result: *const holdfast_result) -> usize {
    // SAFETY: the caller gives NULL or a live result.
    or_default(0, || Ok(unsafe { look(result)? }.core.columns().len()))
}

/// Fills *column with the description of the column of this index. false, and nothing is written, if there is none or
/// struct_size is not set.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_result_column(
    result: *const holdfast_result,
    index: usize,
    column: *mut holdfast_column,
) -> bool {
    or_default(false, || {
        // SAFETY: the caller gives NULL or a live result.
        let block = unsafe { look(result)? };
        let columns = block.core.columns();
        let names = block.names.get_or_init(|| names(columns));
        // SAFETY: `column` is NULL or as large as its `struct_size` says.
        unsafe { describe(columns, names, index, column) }
    })
}

/// As an index: there is none.
pub const HOLDFAST_NOWHERE: usize = usize::MAX;

/// The index of the first column of this name; HOLDFAST_NOWHERE if there is none. Any thread; does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_result_find_column(
    result: *const holdfast_result,
    name: *const c_char,
    name_len: usize,
) -> usize {
    or_default(HOLDFAST_NOWHERE, || {
        // SAFETY: the caller gives NULL or a live result; the text is readable up to its length or NUL.
        let (block, name) = unsafe { (look(result)?, text(name, name_len, "name")?) };
        let found = block.core.columns().iter().position(|column| column.name == name);
        Ok(found.unwrap_or(HOLDFAST_NOWHERE))
    })
}

/// Fills `*column` with the description of the column of this index; `false` if there is none.
///
/// # Safety
/// `column` is NULL or as large as its `struct_size` says.
pub(in crate::ffi::capi) unsafe fn describe(
    columns: &[Column],
    names: &[Text],
    index: usize,
    column: *mut holdfast_column,
) -> Outcome<bool> {
    let (Some(found), Some(name)) = (columns.get(index), names.get(index)) else { return Ok(false) };
    let filled = holdfast_column {
        struct_size: 0,
        type_oid: found.type_oid,
        type_size: found.type_size.into(),
        type_modifier: found.type_modifier,
        table_oid: found.table_oid,
        column_number: found.column_number.into(),
        format: i32::from(found.format == WireFormat::Binary),
        reserved: 0,
        name: name.view(),
    };
    // SAFETY: as promised.
    unsafe { growable::write(column, &filled, "holdfast_column")? };
    Ok(true)
}

/// The server's command tag: "SELECT 3", "INSERT 0 1".
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_result_command_tag(result: *const holdfast_result) -> holdfast_str {
    // SAFETY: the caller gives NULL or a live result.
    or_default(EMPTY, || Ok(ended(unsafe { look(result)? }.core.tag().with_nul())))
}

/// The number at the end of the command tag: rows changed or returned; 0 for commands that count none.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_result_rows_affected(result: *const holdfast_result) -> u64 {
    // SAFETY: the caller gives NULL or a live result.
    or_default(0, || Ok(unsafe { look(result)? }.core.rows_affected().unwrap_or(0)))
}

/// A value as it came, without copying; {NULL, 0} for the NULL of SQL and where there is no such row or column.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_result_cell(
    result: *const holdfast_result,
    row: usize,
    column: usize,
) -> holdfast_cell {
    const NOTHING: holdfast_cell = holdfast_cell { ptr: ptr::null(), len: 0 };
    or_default(NOTHING, || {
        // SAFETY: the caller gives NULL or a live result.
        let cell = unsafe { look(result)? }.core.cell(row, column);
        Ok(cell.map_or(NOTHING, |bytes| holdfast_cell { ptr: bytes.as_ptr(), len: bytes.len() }))
    })
}

/// Returns whether a value is the NULL of SQL; true where there is no such row or column.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_result_is_null(
    result: *const holdfast_result,
    row: usize,
    column: usize,
) -> bool {
    // SAFETY: the caller gives NULL or a live result.
    or_default(true, || Ok(unsafe { look(result)? }.core.cell(row, column).is_none()))
}

/// Reads a value with `decode` into `*value`, which keeps what it has if that fails.
///
/// # Safety
/// `result` is NULL or live, `value` NULL or writable, `error` NULL or writable.
unsafe fn typed<T>(
    result: *const holdfast_result,
    (row, column): (usize, usize),
    value: *mut T,
    error: *mut *mut holdfast_error,
    kind: &str,
    decode: impl FnOnce(&Block, Place) -> Option<T>,
) -> holdfast_status {
    let body = || {
        // SAFETY: as promised.
        let block = unsafe { look(result)? };
        if value.is_null() {
            return Err(Failure::null("value"));
        }
        let described = check(&block.core, row, column)?;
        let read = decode(block, Place { row, column }).ok_or_else(|| {
            let place = place(row, column, described);
            Failure::new(HOLDFAST_STATUS_TYPE, format!("{place} cannot be read as {kind}"))
        })?;
        // SAFETY: writable, as promised.
        unsafe { value.write(read) };
        Ok(())
    };
    // SAFETY: as promised.
    unsafe { guard(error, body) }
}

/// Makes sure that there is such a value and that it is not NULL.
fn check(block: &ResultBlock, row: usize, column: usize) -> Outcome<&Column> {
    let (rows, columns) = (block.rows(), block.columns());
    let Some(described) = columns.get(column).filter(|_| row < rows) else {
        let size = format!("{rows} rows and {} columns", columns.len());
        return Err(Failure::argument(format!("the result has {size}: none at row {row}, column {column}")));
    };
    if block.cell(row, column).is_none() {
        let message = format!("{} is NULL", place(row, column, described));
        return Err(Failure::new(HOLDFAST_STATUS_IS_NULL, message));
    }
    Ok(described)
}

fn place(row: usize, column: usize, described: &Column) -> String {
    let came = match described.format {
        WireFormat::Text => "",
        WireFormat::Binary => ", in binary",
    };
    format!("row {row}, column {column} (\"{}\", type {}{came})", described.name, described.type_oid)
}

/// Puts a value as text into *value, exactly as the server prints it; it belongs to the result. Works on columns that came
/// as text, and on binary ones of bool, the integers, oid, floats, numeric, bytea, uuid, date, time, timetz, timestamp,
/// timestamptz, interval, inet, cidr, macaddr, bit, varbit, json, jsonb, xml and the text types. Text of binary values is
/// made at the first call and kept, so a further call for the same value costs no memory.
///
/// HOLDFAST_STATUS_TYPE for binary values of other types, for what is not UTF-8, as a database in SQL_ASCII may have it
/// (holdfast_result_cell gives the bytes), and where the server's text depends on a setting of the session that was not as
/// usual: dates and timestamps unless DateStyle was ISO, timestamptz unless TimeZone was UTC, intervals unless
/// IntervalStyle was postgres, floats from servers before PostgreSQL 12. HOLDFAST_FORMAT_AUTOMATIC asks for text where
/// that would be so. Taken as given, since servers do not report them: bytea_output hex, extra_float_digits 1 or more.
/// HOLDFAST_STATUS_IS_NULL for NULL, HOLDFAST_STATUS_ARGUMENT beyond the edges; *value is then not touched.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_result_text(
    result: *const holdfast_result,
    row: usize,
    column: usize,
    value: *mut holdfast_str,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    // SAFETY: as promised by the caller: live or NULL, and writable or NULL.
    unsafe {
        typed(result, (row, column), value, error, "text; holdfast_result_cell gives its bytes", Block::text)
    }
}

/// Puts a value as an integer into *value: of an integer column in either format, or of any text that is one. Fails as
/// holdfast_result_text, also if the number does not fit.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_result_i64(
    result: *const holdfast_result,
    row: usize,
    column: usize,
    value: *mut i64,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    // SAFETY: as promised by the caller: live or NULL, and writable or NULL.
    unsafe {
        typed(result, (row, column), value, error, "an integer of 64 bits", |b, at| value::i64(&b.core, at))
    }
}

/// Puts a value as a number into *value: of an integer or float column in either format, or of any text that is one,
/// numeric included (rounded to the nearest); a float4 is the number that the server prints, 1.1 and not
/// 1.10000002384185791. Fails as holdfast_result_text.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_result_f64(
    result: *const holdfast_result,
    row: usize,
    column: usize,
    value: *mut f64,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    // SAFETY: as promised by the caller: live or NULL, and writable or NULL.
    unsafe {
        typed(result, (row, column), value, error, "a floating-point number", |b, at| value::f64(&b.core, at))
    }
}

/// Puts a value as a truth value into *value: of a boolean column in either format. Fails as holdfast_result_text.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_result_bool(
    result: *const holdfast_result,
    row: usize,
    column: usize,
    value: *mut bool,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    // SAFETY: as promised by the caller: live or NULL, and writable or NULL.
    unsafe { typed(result, (row, column), value, error, "a boolean", |b, at| value::bool(&b.core, at)) }
}

/// A further handle of the same result, for a further owner: each is freed with holdfast_result_free. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_result_clone(
    result: *const holdfast_result,
) -> *mut holdfast_result {
    // SAFETY: the caller gives NULL or a live result.
    or_default(ptr::null_mut(), || unsafe { another(result) })
}

/// Frees a result. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_result_free(result: *mut holdfast_result) {
    // SAFETY: the caller gives NULL or a live result of its own, and does not use it again.
    unsafe { free(result) }
}

/// The number of results: one for each statement of the script.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_results_count(results: *const holdfast_results) -> usize {
    // SAFETY: the caller gives NULL or live results.
    or_default(0, || Ok(unsafe { look(results)? }.0.len()))
}

/// The result of this index; NULL if there is none. It belongs to *results and must not be freed; to keep it for longer, use
/// holdfast_result_clone.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_results_get(
    results: *const holdfast_results,
    index: usize,
) -> *const holdfast_result {
    or_default(ptr::null(), || {
        // SAFETY: the caller gives NULL or live results.
        let results = unsafe { look(results)? };
        Ok(results.0.get(index).map_or(ptr::null(), Kept::as_ptr))
    })
}

/// Frees the results of a script. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_results_free(results: *mut holdfast_results) {
    // SAFETY: the caller gives NULL or live results, and does not use them again.
    unsafe { free(results) }
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;
    use crate::ffi::capi::boundary::handle::give;
    use crate::ffi::capi::library::error::{holdfast_error_free, holdfast_error_message};
    use crate::protocol::session_parameters::TextSettings;

    #[test]
    fn text_that_is_not_utf8_is_refused_and_its_bytes_are_there() {
        let column = Column::of_type("latin", 25, WireFormat::Text);
        let block =
            ResultBlock::of_rows(vec![column].into(), &[b"\0\x01\0\0\0\x01\xfc"], TextSettings::ordinary(17));
        let result = give::<holdfast_result>(Block::new(block));
        let (mut text, mut error) = (EMPTY, ptr::null_mut());
        // SAFETY: the result and the error are live until they are freed, and the places writable.
        unsafe {
            let status = holdfast_result_text(result, 0, 0, &raw mut text, &raw mut error);
            assert_eq!((status, text.len), (HOLDFAST_STATUS_TYPE, 0));
            let said = CStr::from_ptr(holdfast_error_message(error).ptr).to_str().unwrap();
            assert!(said.contains("\"latin\"") && said.contains("holdfast_result_cell"), "{said}");
            let cell = holdfast_result_cell(result, 0, 0);
            assert_eq!((*cell.ptr, cell.len), (0xfc, 1));
            holdfast_error_free(error);
            holdfast_result_free(result);
        }
    }
}
