//! Typed reads of a value, in whichever format it came. `None` where the value is not of that type.

use super::text::holdfast_str;
use crate::session::{Column, WireFormat};

// OIDs of `pg_type.dat`, which never change.
const BOOL: u32 = 16;
const INT8: u32 = 20;
const INT2: u32 = 21;
const INT4: u32 = 23;
const OID: u32 = 26;
const FLOAT4: u32 = 700;
const FLOAT8: u32 = 701;
/// "char", name, text, json, xml, unknown, bpchar, varchar: their binary form is their text.
const TEXTS: [u32; 8] = [18, 19, 25, 114, 142, 705, 1042, 1043];

pub(super) fn text(column: &Column, bytes: &[u8]) -> Option<holdfast_str> {
    let is_text = column.format == WireFormat::Text || TEXTS.contains(&column.type_oid);
    is_text.then(|| holdfast_str { ptr: bytes.as_ptr().cast(), len: bytes.len() })
}

/// What is written, if the value is.
fn written<'a>(column: &Column, bytes: &'a [u8]) -> Option<&'a str> {
    let is_text = column.format == WireFormat::Text || TEXTS.contains(&column.type_oid);
    if is_text { std::str::from_utf8(bytes).ok().map(str::trim) } else { None }
}

pub(super) fn i64(column: &Column, bytes: &[u8]) -> Option<i64> {
    if let Some(text) = written(column, bytes) {
        return text.parse().ok();
    }
    match column.type_oid {
        INT2 => bytes.try_into().ok().map(|b| i16::from_be_bytes(b).into()),
        INT4 => bytes.try_into().ok().map(|b| i32::from_be_bytes(b).into()),
        INT8 => bytes.try_into().ok().map(i64::from_be_bytes),
        OID => bytes.try_into().ok().map(|b| u32::from_be_bytes(b).into()),
        _ => None,
    }
}

pub(super) fn f64(column: &Column, bytes: &[u8]) -> Option<f64> {
    if let Some(text) = written(column, bytes) {
        return text.parse().ok();
    }
    match column.type_oid {
        FLOAT4 => bytes.try_into().ok().map(|b| f32::from_be_bytes(b).into()),
        FLOAT8 => bytes.try_into().ok().map(f64::from_be_bytes),
        _ => i64(column, bytes).map(|n| n as f64),
    }
}

pub(super) fn bool(column: &Column, bytes: &[u8]) -> Option<bool> {
    match (column.type_oid, column.format, bytes) {
        (BOOL, WireFormat::Text, b"t") | (BOOL, WireFormat::Binary, [1]) => Some(true),
        (BOOL, WireFormat::Text, b"f") | (BOOL, WireFormat::Binary, [0]) => Some(false),
        _ => None,
    }
}
