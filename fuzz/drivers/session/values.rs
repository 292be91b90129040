//! Values of any type and any bytes, read in every possible way.

use std::sync::Arc;

use crate::ffi::fuzzing::read_result;
use crate::protocol::command_tag::CommandTag;
use crate::protocol::session_parameters::TextSettings;
use crate::protocol::text_format;
use crate::protocol::text_format::oid;
use crate::session::transfer::result::{Column, ResultBlock, WireFormat};
use crate::testing::fuzzing::Draws;

/// Types whose binary form is supported, and some others.
const TYPES: [u32; 40] = [
    oid::BOOL,
    oid::BYTEA,
    oid::CHAR,
    oid::NAME,
    oid::INT8,
    oid::INT2,
    oid::INT4,
    oid::TEXT,
    oid::OID,
    oid::XID,
    oid::CID,
    oid::JSON,
    oid::XML,
    oid::CIDR,
    oid::FLOAT4,
    oid::FLOAT8,
    oid::UNKNOWN,
    oid::MACADDR8,
    oid::MACADDR,
    oid::INET,
    oid::BPCHAR,
    oid::VARCHAR,
    oid::DATE,
    oid::TIME,
    oid::TIMESTAMP,
    oid::TIMESTAMPTZ,
    oid::INTERVAL,
    oid::TIMETZ,
    oid::BIT,
    oid::VARBIT,
    oid::NUMERIC,
    oid::REFCURSOR,
    oid::CSTRING,
    oid::UUID,
    oid::JSONB,
    oid::JSONPATH,
    oid::XID8,
    0,
    600,
    16_384,
];

/// Builds a result from the input, and reads it.
///
/// The first byte selects the session's settings, the second the number of columns; then follow type and format of each, and
/// rows of values: a length, 255 being NULL, and that many bytes.
pub fn binary_values(input: &[u8]) {
    let mut draws = Draws::new(input);
    let settings = settings(draws.byte());
    let columns: Arc<[Column]> = (0..draws.below(6)).map(|number| column(number, &mut draws)).collect();
    let mut block = ResultBlock::new(columns.clone());
    while !draws.is_empty() && block.rows() < 16 {
        block.push_row(&row(columns.len(), &mut draws), settings).expect("a row of the right form");
        if columns.is_empty() {
            break;
        }
    }
    block.finish(CommandTag::new(&format!("SELECT {}", block.rows())));
    read_block(&block);
    read_result(block);
}

fn settings(which: u8) -> TextSettings {
    match which {
        0..12 => TextSettings::default(),
        other => TextSettings::ordinary(other),
    }
}

fn column(number: usize, draws: &mut Draws<'_>) -> Column {
    let kind = draws.byte();
    let type_oid = TYPES[usize::from(kind & 127) % TYPES.len()];
    let format = if kind & 128 == 0 { WireFormat::Binary } else { WireFormat::Text };
    Column::of_type(&format!("column {number}"), type_oid, format)
}

/// The body of a `DataRow`.
fn row(columns: usize, draws: &mut Draws<'_>) -> Vec<u8> {
    let mut body = (columns as u16).to_be_bytes().to_vec();
    for _ in 0..columns {
        match draws.byte() {
            255 => body.extend((-1_i32).to_be_bytes()),
            length => {
                let value = draws.bytes(length.into());
                body.extend((value.len() as u32).to_be_bytes());
                body.extend_from_slice(value);
            }
        }
    }
    body
}

/// Reads a whole block as a Rust program does, of a large one its beginning.
pub(super) fn read_block(block: &ResultBlock) {
    let (rows, columns) = (block.rows(), block.columns().len());
    for row in (0..rows.min(16)).chain([rows, usize::MAX]) {
        for column in (0..columns.min(16)).chain([columns, usize::MAX]) {
            let (cell, text) = (block.cell(row, column), block.text(row, column));
            let is_there = row < rows && column < columns;
            assert!(is_there || cell.is_none(), "a value beyond the edges");
            assert!(cell.is_some() || text.is_none(), "the text of what is not there");
            if is_there && block.columns()[column].format == WireFormat::Binary {
                let known = text_format::is_known(block.columns()[column].type_oid, block.settings());
                assert!(known || text.is_none(), "a text that cannot be known: {text:?}");
            }
        }
    }
    let tag = block.command_tag();
    assert!(block.rows_affected().is_none_or(
        |number| tag.ends_with(&number.to_string()) || tag.ends_with(|c: char| c.is_ascii_digit())
    ));
    let pack = block.pack().expect("it is small");
    assert_eq!(pack.len() % 8, 0);
}
