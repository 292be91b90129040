//! Packs.
//!
//! A pack is a whole result in one buffer, column by column, for runtimes that decode it themselves without a call for each
//! value. It has no pointers: it may be moved, copied into another process or a file, and read without this library.
//! Numbers are in the byte order of the machine that made it. All of these may be called from any thread; none blocks.
//!
//! The buffer begins with a holdfast_pack_header. At columns_at begin the descriptions of the columns, column_size bytes
//! apart: a holdfast_pack_column each. A later version of the library may make either longer, with version still 1; what is
//! laid out otherwise will have another version. All places (..._at) are counted from the beginning of the buffer. Texts
//! (names, tag) are UTF-8 with a NUL behind, which their length does not count.
//!
//! The kind of a column says how its values lie at values_at, a multiple of 8; row r from 0:
//!
//! - HOLDFAST_PACK_BOOL: uint8_t, 0 or 1.
//! - HOLDFAST_PACK_I32: int32_t; int2 and int4.
//! - HOLDFAST_PACK_I64: int64_t; int8.
//! - HOLDFAST_PACK_U32: uint32_t; oid.
//! - HOLDFAST_PACK_F64: double; float8, and float4 as the number that the server prints (1.1, not 1.10000002384185791).
//! - HOLDFAST_PACK_DAYS: int32_t, days since 2000-01-01; date. INT32_MAX is infinity, INT32_MIN -infinity.
//! - HOLDFAST_PACK_MICROS: int64_t, microseconds since 2000-01-01 00:00:00, in UTC for timestamptz and in no zone for
//!   timestamp. INT64_MAX is infinity, INT64_MIN -infinity. 946684800 seconds or 10957 days lie between 1970 and 2000.
//! - HOLDFAST_PACK_TEXT: uint32_t places of rows + 1 values, counted from arena_at: value r lies from place r up to place
//!   r + 1, without a NUL. The text is what holdfast_result_text gives: as the server prints it. If flags has
//!   HOLDFAST_PACK_ASCII, all of it is ASCII.
//! - HOLDFAST_PACK_BYTES: laid out as HOLDFAST_PACK_TEXT; bytea, the binary form of types of which no other kind is
//!   made, and text that is not UTF-8, as a database in SQL_ASCII may have it.
//!
//! The kinds from BOOL to MICROS are made of columns that came in binary; a column that came as text is TEXT, or BYTES
//! if it is not UTF-8. So a result in HOLDFAST_FORMAT_AUTOMATIC gives numbers, and one in HOLDFAST_FORMAT_TEXT text
//! alone. Binary columns of further types that holdfast_result_text can print, uuid and numeric among them, are TEXT.
//!
//! If flags has HOLDFAST_PACK_HAS_NULLS, there are bits at nulls_at: value r is NULL if bit r % 8, counted from the lowest,
//! of byte r / 8 is 1. What lies at values_at for a NULL is 0 or an empty value.

use super::result::{holdfast_cell, holdfast_result};
use crate::ffi::capi::boundary::guard::{Out, guard, or_default};
use crate::ffi::capi::boundary::handle::{free, handle, hold, look};
use crate::ffi::capi::library::error::holdfast_error;
use crate::ffi::capi::library::status::holdfast_status;
use crate::session::ResultBlock;
use crate::session::pack;

/// A result in one buffer. Free it with holdfast_pack_free.
pub struct holdfast_pack {
    _opaque: [u8; 0],
}

handle!(holdfast_pack: Pack, b"hf-pack.");

/// holdfast_pack_header.magic: the bytes "HFPK" on a machine that puts the lowest byte first. Another number is of a machine
/// of another byte order, or no pack.
pub const HOLDFAST_PACK_MAGIC: u32 = 0x4b504648;
/// holdfast_pack_header.version.
pub const HOLDFAST_PACK_VERSION: u32 = 1;

/// uint8_t: 0 or 1.
pub const HOLDFAST_PACK_BOOL: u32 = 1;
/// int32_t.
pub const HOLDFAST_PACK_I32: u32 = 2;
/// int64_t.
pub const HOLDFAST_PACK_I64: u32 = 3;
/// uint32_t.
pub const HOLDFAST_PACK_U32: u32 = 4;
/// double.
pub const HOLDFAST_PACK_F64: u32 = 5;
/// int32_t: days since 2000-01-01.
pub const HOLDFAST_PACK_DAYS: u32 = 6;
/// int64_t: microseconds since 2000-01-01 00:00:00.
pub const HOLDFAST_PACK_MICROS: u32 = 7;
/// Text in an arena.
pub const HOLDFAST_PACK_TEXT: u32 = 8;
/// Bytes in an arena.
pub const HOLDFAST_PACK_BYTES: u32 = 9;

/// In holdfast_pack_column.flags: some values are NULL, and nulls_at says which.
pub const HOLDFAST_PACK_HAS_NULLS: u32 = 1;
/// In holdfast_pack_column.flags: all text of the column is ASCII.
pub const HOLDFAST_PACK_ASCII: u32 = 2;

/// The head of a pack: 48 bytes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct holdfast_pack_header {
    /// HOLDFAST_PACK_MAGIC.
    pub magic: u32,
    /// HOLDFAST_PACK_VERSION.
    pub version: u32,
    /// The size of the whole in bytes, a multiple of 8.
    pub size: u32,
    /// The number of rows.
    pub rows: u32,
    /// The number of columns.
    pub columns: u32,
    /// The offset of the description of the first column.
    pub columns_at: u32,
    /// From one description to the next, in bytes.
    pub column_size: u32,
    /// The command tag: "SELECT 3".
    pub tag_at: u32,
    /// Its length in bytes.
    pub tag_len: u32,
    /// Always 0.
    pub reserved: [u32; 3],
}

/// The description of one column in a pack: 64 bytes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct holdfast_pack_column {
    /// Its type, as in pg_type.
    pub type_oid: u32,
    /// A HOLDFAST_PACK_ constant: how the values are laid out.
    pub kind: u32,
    /// HOLDFAST_PACK_HAS_NULLS and HOLDFAST_PACK_ASCII, or 0.
    pub flags: u32,
    /// HOLDFAST_FORMAT_TEXT or HOLDFAST_FORMAT_BINARY: how the values came from the server.
    pub format: u32,
    /// Its name.
    pub name_at: u32,
    /// The length of the name in bytes.
    pub name_len: u32,
    /// The table it comes from; 0 if it is no table's.
    pub table_oid: u32,
    /// Its number in that table, from 1; 0 if it is no table's.
    pub column_number: i32,
    /// The length of values of this type on the server; negative if it varies.
    pub type_size: i32,
    /// The type's modifier, of varchar(n) for instance, as in pg_attribute.atttypmod; -1 for none.
    pub type_modifier: i32,
    /// The offset of the bits of NULLs; 0 if there is no NULL.
    pub nulls_at: u32,
    /// The offset of the values, or of the places of values that vary in length.
    pub values_at: u32,
    /// How many bytes are there.
    pub values_len: u32,
    /// The offset of the bytes of values that vary in length; 0 for other kinds.
    pub arena_at: u32,
    /// How many bytes are there.
    pub arena_len: u32,
    /// Always 0.
    pub reserved: u32,
}

// The constants are written out for the header's generator.
const _: () = {
    assert!(size_of::<holdfast_pack_header>() == pack::HEADER_SIZE);
    assert!(size_of::<holdfast_pack_column>() == pack::COLUMN_SIZE);
    assert!(HOLDFAST_PACK_MAGIC == pack::MAGIC && HOLDFAST_PACK_VERSION == pack::VERSION);
    assert!(HOLDFAST_PACK_HAS_NULLS == pack::HAS_NULLS && HOLDFAST_PACK_ASCII == pack::ASCII);
    assert!(HOLDFAST_PACK_BOOL == pack::Kind::Bool as u32 && HOLDFAST_PACK_I32 == pack::Kind::I32 as u32);
    assert!(HOLDFAST_PACK_I64 == pack::Kind::I64 as u32 && HOLDFAST_PACK_U32 == pack::Kind::U32 as u32);
    assert!(HOLDFAST_PACK_F64 == pack::Kind::F64 as u32 && HOLDFAST_PACK_DAYS == pack::Kind::Days as u32);
    assert!(HOLDFAST_PACK_MICROS == pack::Kind::Micros as u32);
    assert!(HOLDFAST_PACK_TEXT == pack::Kind::Text as u32 && HOLDFAST_PACK_BYTES == pack::Kind::Bytes as u32);
};

/// A buffer that begins at a multiple of 8.
pub struct Pack {
    data: Vec<u8>,
    start: usize,
}

impl Pack {
    pub(in crate::ffi::capi) fn new(block: &ResultBlock) -> crate::Result<Self> {
        Ok(Self::aligned(block.pack()?))
    }

    /// The system's allocator does it by itself, but nothing promises it.
    pub(in crate::ffi::capi) fn aligned(data: Vec<u8>) -> Self {
        if data.as_ptr().align_offset(8) == 0 { Self { data, start: 0 } } else { Self::moved(&data) }
    }

    fn moved(data: &[u8]) -> Self {
        let mut moved: Vec<u8> = Vec::with_capacity(data.len() + 8);
        let start = moved.as_ptr().align_offset(8).min(8);
        moved.resize(start, 0);
        moved.extend_from_slice(data);
        Self { data: moved, start }
    }

    fn view(&self) -> holdfast_cell {
        let data = &self.data[self.start..];
        holdfast_cell { ptr: data.as_ptr(), len: data.len() }
    }
}

/// Packs a result and puts the pack into *pack; free it with holdfast_pack_free. The result stays as it is, and either may
/// be freed first. Works for as long as it takes to copy the result once. HOLDFAST_STATUS_MISUSE if the pack would be larger
/// than 4 GiB.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_result_pack(
    result: *const holdfast_result,
    pack: *mut *mut holdfast_pack,
    error: *mut *mut holdfast_error,
) -> holdfast_status {
    let body = || {
        // SAFETY: `pack` is NULL or writable, `result` NULL or live.
        let (out, result) = unsafe { (Out::new(pack, "pack")?, hold(result)?) };
        out.set(Pack::new(&result.core)?);
        Ok(())
    };
    // SAFETY: `error` is NULL or writable.
    unsafe { guard(error, body) }
}

/// The buffer of a pack: where it begins, a multiple of 8, and its size. It belongs to the pack, never changes, and no NUL
/// follows. {NULL, 0} for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_pack_data(pack: *const holdfast_pack) -> holdfast_cell {
    // SAFETY: the caller gives NULL or a live pack.
    or_default(holdfast_cell { ptr: std::ptr::null(), len: 0 }, || Ok(unsafe { look(pack)? }.view()))
}

/// Frees a pack. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn holdfast_pack_free(pack: *mut holdfast_pack) {
    // SAFETY: the caller gives NULL or a live pack, and does not use it again.
    unsafe { free(pack) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pack_begins_at_a_multiple_of_8_wherever_its_buffer_did() {
        let data: Vec<u8> = (0..100).collect();
        for skip in 0..16 {
            for pack in [Pack::moved(&data[skip..]), Pack::aligned(data[skip..].to_vec())] {
                assert_eq!(pack.view().ptr.addr() % 8, 0);
                assert_eq!(&pack.data[pack.start..], &data[skip..]);
            }
        }
    }
}
