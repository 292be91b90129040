//! The text of bytea, uuid, bit strings and `"char"`.

use std::fmt::Write as _;

use crate::protocol::session_parameters::TextSettings;

const DIGITS: &[u8; 16] = b"0123456789abcdef";

fn hex(byte: u8) -> [u8; 2] {
    [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]
}

/// Prints like `byteaout` with `bytea_output=hex`.
pub(super) fn write_bytea(bytes: &[u8], out: &mut String) {
    // Written in pieces, since single characters are slow.
    let mut digits = [0; 512];
    out.reserve(2 + 2 * bytes.len());
    out.push_str("\\x");
    for piece in bytes.chunks(digits.len() / 2) {
        for (place, byte) in digits.as_chunks_mut::<2>().0.iter_mut().zip(piece) {
            *place = hex(*byte);
        }
        out.push_str(str::from_utf8(&digits[..2 * piece.len()]).unwrap_or_default());
    }
}

/// Prints like `uuid_out`.
pub(super) fn write_uuid(bytes: &[u8], out: &mut String) -> Option<()> {
    /// The position of the two digits of each byte.
    const PLACES: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
    let bytes: &[u8; 16] = bytes.try_into().ok()?;
    let mut text = [b'-'; 36];
    for (byte, at) in bytes.iter().zip(PLACES) {
        [text[at], text[at + 1]] = hex(*byte);
    }
    out.push_str(str::from_utf8(&text).ok()?);
    Some(())
}

/// Prints like `bit_out`. The value is the number of bits, then the bits from the highest of each byte on.
pub(super) fn write_bits(bytes: &[u8], out: &mut String) -> Option<()> {
    let (count, bytes) = bytes.split_first_chunk::<4>()?;
    let count = usize::try_from(i32::from_be_bytes(*count)).ok()?;
    if bytes.len() != count.div_ceil(8) {
        return None;
    }
    out.extend((0..count).map(|n| if bytes[n / 8] & (0x80 >> (n % 8)) == 0 { '0' } else { '1' }));
    Some(())
}

/// Prints a byte that is not ASCII like `charout`: in octal, since PostgreSQL 15. Before, it was sent unchanged, which is no text.
pub(super) fn write_high_char(bytes: &[u8], settings: TextSettings, out: &mut String) -> Option<()> {
    match bytes {
        [byte] if *byte >= 0x80 && settings.server_major() >= 15 => write!(out, "\\{byte:03o}").ok(),
        _ => None,
    }
}
