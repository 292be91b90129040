//! Typed reads of a value, in whichever format it came. `None` where the value is not of that type.

use crate::session::ResultBlock;
use crate::session::WireFormat::{Binary, Text};
use crate::session::float4_as_printed;
use crate::session::oid::{BOOL, FLOAT4, FLOAT8, INT2, INT4, INT8, NUMERIC, OID};

/// The place of a value in a result.
#[derive(Clone, Copy)]
pub(in crate::ffi::capi) struct Place {
    pub(in crate::ffi::capi) row: usize,
    pub(in crate::ffi::capi) column: usize,
}

/// The place that a value is written to.
fn written(block: &ResultBlock, place: Place) -> Option<&str> {
    std::str::from_utf8(block.text_as_it_came(place.row, place.column)?).ok().map(str::trim)
}

pub(in crate::ffi::capi) fn i64(block: &ResultBlock, place: Place) -> Option<i64> {
    if let Some(text) = written(block, place) {
        return text.parse().ok();
    }
    let bytes = block.cell(place.row, place.column)?;
    match block.columns()[place.column].type_oid {
        INT2 => bytes.try_into().ok().map(|b| i16::from_be_bytes(b).into()),
        INT4 => bytes.try_into().ok().map(|b| i32::from_be_bytes(b).into()),
        INT8 => bytes.try_into().ok().map(i64::from_be_bytes),
        OID => bytes.try_into().ok().map(|b| u32::from_be_bytes(b).into()),
        _ => None,
    }
}

pub(in crate::ffi::capi) fn f64(block: &ResultBlock, place: Place) -> Option<f64> {
    if let Some(text) = written(block, place) {
        return text.parse().ok();
    }
    let bytes = block.cell(place.row, place.column)?;
    match block.columns()[place.column].type_oid {
        // The same number as from text.
        FLOAT4 => bytes.try_into().ok().map(|b| float4_as_printed(f32::from_be_bytes(b))),
        FLOAT8 => bytes.try_into().ok().map(f64::from_be_bytes),
        NUMERIC => block.text(place.row, place.column)?.parse().ok(),
        _ => i64(block, place).map(|n| n as f64),
    }
}

pub(in crate::ffi::capi) fn bool(block: &ResultBlock, place: Place) -> Option<bool> {
    let column = &block.columns()[place.column];
    match (column.type_oid, column.format, block.cell(place.row, place.column)?) {
        (BOOL, Text, b"t") | (BOOL, Binary, [1]) => Some(true),
        (BOOL, Text, b"f") | (BOOL, Binary, [0]) => Some(false),
        _ => None,
    }
}
