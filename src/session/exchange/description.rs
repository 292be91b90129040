//! Descriptions of statements: columns of a result, types of parameters.

use std::io;

use super::reader::{malformed, take_text};
use crate::session::transfer::result::{Column, WireFormat};

/// `RowDescription`: for each column name, table, column number, type, size, modifier, format.
pub(in crate::session) fn parse_columns(body: &[u8]) -> io::Result<Vec<Column>> {
    let (count, mut rest) = body.split_first_chunk::<2>().ok_or_else(malformed)?;
    let mut columns = Vec::new();
    for _ in 0..u16::from_be_bytes(*count) {
        let (name, after) = take_text(rest)?;
        let (fixed, after) = after.split_first_chunk::<18>().ok_or_else(malformed)?;
        let [t0, t1, t2, t3, n0, n1, o0, o1, o2, o3, s0, s1, m0, m1, m2, m3, f0, f1] = *fixed;
        columns.push(Column {
            name,
            table_oid: u32::from_be_bytes([t0, t1, t2, t3]),
            column_number: i16::from_be_bytes([n0, n1]),
            type_oid: u32::from_be_bytes([o0, o1, o2, o3]),
            type_size: i16::from_be_bytes([s0, s1]),
            type_modifier: i32::from_be_bytes([m0, m1, m2, m3]),
            format: if [f0, f1] == [0, 0] { WireFormat::Text } else { WireFormat::Binary },
        });
        rest = after;
    }
    Ok(columns)
}

/// `ParameterDescription`.
pub(in crate::session) fn parse_types(body: &[u8]) -> io::Result<Vec<u32>> {
    let (count, rest) = body.split_first_chunk::<2>().ok_or_else(malformed)?;
    let (types, left) = rest.as_chunks::<4>();
    if types.len() != usize::from(u16::from_be_bytes(*count)) || !left.is_empty() {
        return Err(malformed());
    }
    Ok(types.iter().map(|t| u32::from_be_bytes(*t)).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::protocol::session_parameters::TextSettings;
    use crate::session::exchange::messages::Notification;
    use crate::session::exchange::reader::parse_server_message;
    use crate::session::transfer::result::ResultBlock;

    /// Bodies as a hostile or broken server might send them: right ones, mangled.
    fn mangled(seed: &[u8], random: &mut fastrand::Rng) -> Vec<u8> {
        let mut bytes = seed.to_vec();
        for _ in 0..random.usize(..4) {
            match random.u8(..4) {
                0 if !bytes.is_empty() => {
                    let at = random.usize(..bytes.len());
                    bytes[at] = random.u8(..);
                }
                1 => bytes.truncate(random.usize(..=bytes.len())),
                2 => bytes.push(random.u8(..)),
                _ => bytes.insert(random.usize(..=bytes.len()), random.u8(..)),
            }
        }
        bytes
    }

    #[test]
    fn no_body_that_a_server_could_send_makes_a_parser_panic() {
        const COLUMNS: &[u8] = b"\0\x01name\0\0\0\0\x07\0\x02\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0";
        const SEEDS: [&[u8]; 5] = [
            COLUMNS,
            b"\0\x02\0\0\0\x17\0\0\0\x19",
            b"SERROR\0C42601\0Mno\0\0",
            b"\0\0\0\x07news\0hello\0",
            b"\0\x01\0\0\0\x02ab",
        ];
        let mut random = fastrand::Rng::with_seed(20_261_123);
        let columns: Arc<[Column]> = parse_columns(COLUMNS).expect("a right one").into();
        for _ in 0..100_000 {
            let body = mangled(SEEDS[random.usize(..SEEDS.len())], &mut random);
            let _ = parse_columns(&body);
            let _ = parse_types(&body);
            let _ = parse_server_message(&body);
            let _ = Notification::parse(&body);
            let _ = take_text(&body);
            let mut block = ResultBlock::new(columns.clone());
            if block.push_row(&body, TextSettings::ordinary(15)).is_ok() {
                let _ = (block.cell(0, 0), block.cell(1, 0));
            }
        }
    }
}
