//! The text of integers and numeric.

use std::fmt::Write as _;

pub(super) fn write(number: i64, out: &mut String) {
    // Writing to a string does not fail.
    let _ = write!(out, "{number}");
}

const NAN: u16 = 0xc000;
const INFINITY: u16 = 0xd000;
const MINUS_INFINITY: u16 = 0xf000;
const MINUS: u16 = 0x4000;

/// Prints like `numeric_out`. The value has digits to the base 10,000, the weight of the first as a power of that base, and
/// the number of decimals to show.
pub(super) fn write_numeric(bytes: &[u8], out: &mut String) -> Option<()> {
    let (head, digits) = bytes.split_first_chunk::<8>()?;
    let [n0, n1, w0, w1, s0, s1, d0, d1] = *head;
    let count = usize::from(u16::from_be_bytes([n0, n1]));
    let weight = i32::from(i16::from_be_bytes([w0, w1]));
    let decimals = usize::from(u16::from_be_bytes([d0, d1]));
    let (digits, left) = digits.as_chunks::<2>();
    if digits.len() != count || !left.is_empty() {
        return None;
    }
    match u16::from_be_bytes([s0, s1]) {
        0 => {}
        MINUS => out.push('-'),
        NAN => return out.write_str("NaN").ok(),
        INFINITY => return out.write_str("Infinity").ok(),
        MINUS_INFINITY => return out.write_str("-Infinity").ok(),
        _ => return None,
    }
    let digit = |power: i32| {
        let index = usize::try_from(weight.checked_sub(power)?).ok()?;
        digits.get(index).map(|d| u16::from_be_bytes(*d))
    };
    if digits.iter().any(|d| u16::from_be_bytes(*d) > 9_999) {
        return None;
    }
    if weight < 0 {
        out.push('0');
    } else {
        write!(out, "{}", digit(weight).unwrap_or(0)).ok()?;
        for power in (0..weight).rev() {
            write!(out, "{:04}", digit(power).unwrap_or(0)).ok()?;
        }
    }
    if decimals > 0 {
        out.push('.');
        let end = out.len() + decimals;
        for group in 1..=decimals.div_ceil(4) {
            write!(out, "{:04}", digit(-(group as i32)).unwrap_or(0)).ok()?;
        }
        out.truncate(end);
    }
    Some(())
}
