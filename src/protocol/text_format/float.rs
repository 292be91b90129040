//! The text of floats in PostgreSQL 12 and later (`float8out` with `extra_float_digits` of 1 or more).
//!
//! The server prints the fewest digits that lie strictly between the neighbouring halfway points, the nearest of these, an
//! even one of two as near (its Ryu with `STRICTLY_SHORTEST` off). Rust's shortest form may lie on a halfway point, where
//! reading rounds to even, and rounds ties up. So Rust's digits are taken and, where these rules differ, replaced: 1e23
//! becomes 9.999999999999999e+22. Exponents are written from 1e+15 on for float8, from 1e+06 for float4, and below 1e-04.

use std::fmt::{self, Write as _};

/// The number `mantissa * 2^exponent`, and two properties that the rules need.
struct Float {
    mantissa: u64,
    exponent: i32,
    /// Set if the neighbour towards zero is only half as far as the other: the mantissa is a power of two.
    near_below: bool,
    /// Returns whether a decimal is read as this number.
    reads_back: fn(&str, u64) -> bool,
    bits: u64,
}

/// The number `digits * 10^exponent`.
#[derive(Clone, Copy)]
struct Decimal {
    digits: u64,
    exponent: i32,
}

pub(super) fn write8(number: f64, out: &mut String) {
    if !write_special(number, out) {
        decimal8(number).write(15, out);
    }
}

fn decimal8(number: f64) -> Decimal {
    let bits = number.abs().to_bits();
    let (mantissa, biased) = (bits & ((1 << 52) - 1), (bits >> 52) as i32);
    let float = Float {
        mantissa: if biased == 0 { mantissa } else { mantissa | 1 << 52 },
        exponent: biased.max(1) - 1_075,
        near_below: mantissa == 0 && biased > 1,
        reads_back: |text, bits| text.parse().is_ok_and(|read: f64| read.to_bits() == bits),
        bits,
    };
    float.decimal(&number.abs())
}

pub(super) fn write4(number: f32, out: &mut String) {
    if !write_special(number.into(), out) {
        decimal4(number).write(6, out);
    }
}

fn decimal4(number: f32) -> Decimal {
    let bits = number.abs().to_bits();
    let (mantissa, biased) = (bits & ((1 << 23) - 1), (bits >> 23) as i32);
    let float = Float {
        mantissa: u64::from(if biased == 0 { mantissa } else { mantissa | 1 << 23 }),
        exponent: biased.max(1) - 150,
        near_below: mantissa == 0 && biased > 1,
        reads_back: |text, bits| text.parse().is_ok_and(|read: f32| u64::from(read.to_bits()) == bits),
        bits: bits.into(),
    };
    float.decimal(&number.abs())
}

/// Returns the number that the server prints for a float4: 1.1 where the nearest float is a little more.
pub(crate) fn float4_as_printed(number: f32) -> f64 {
    // Every whole number below this is a distinct float, printed in full.
    const WHOLE: f32 = 16_777_216.0;
    if !number.is_finite() || (number.fract() == 0.0 && number.abs() < WHOLE) {
        return number.into();
    }
    let decimal = decimal4(number);
    // Powers of ten up to this one are exact doubles, so that one division is as exact as reading.
    let places = decimal.exponent.unsigned_abs();
    let read = if decimal.exponent <= 0 && places <= 22 {
        decimal.digits as f64 / POWERS_OF_TEN[places as usize]
    } else {
        format!("{}e{}", decimal.digits, decimal.exponent).parse().unwrap_or_else(|_| number.abs().into())
    };
    read.copysign(number.into())
}

const POWERS_OF_TEN: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

/// Writes the sign, and all of a number that has no digits. Returns whether the number is complete.
fn write_special(number: f64, out: &mut String) -> bool {
    if number.is_nan() {
        out.push_str("NaN");
        return true;
    }
    if number.is_sign_negative() {
        out.push('-');
    }
    if number.is_infinite() {
        out.push_str("Infinity");
    } else if number == 0.0 {
        out.push('0');
    }
    number.is_infinite() || number == 0.0
}

impl Float {
    /// Returns the decimal that the server prints.
    fn decimal(&self, number: &impl fmt::LowerExp) -> Decimal {
        let shortest = Decimal::of(format_args!("{number:e}"));
        if self.is_halfway(shortest) { self.inside(shortest, number) } else { self.even_of_a_tie(shortest) }
    }

    /// Returns whether a decimal lies in the middle between this number and one of its neighbours.
    fn is_halfway(&self, decimal: Decimal) -> bool {
        let above = equal(decimal, 2 * self.mantissa + 1, self.exponent - 1);
        let below = if self.near_below {
            equal(decimal, 4 * self.mantissa - 1, self.exponent - 2)
        } else {
            equal(decimal, 2 * self.mantissa - 1, self.exponent - 1)
        };
        above || below
    }

    fn is_inside(&self, decimal: Decimal) -> bool {
        let text = format!("{}e{}", decimal.digits, decimal.exponent);
        (self.reads_back)(&text, self.bits) && !self.is_halfway(decimal)
    }

    /// Returns the shortest decimal that is no halfway point. There is no other with as many digits: it would lie farther away,
    /// beyond the halfway point of the other side.
    fn inside(&self, halfway: Decimal, number: &impl fmt::LowerExp) -> Decimal {
        let mut decimal = halfway;
        // `n` digits behind the point are `n + 1` in all.
        for count in halfway.count()..17 {
            decimal = Decimal::of(format_args!("{number:.count$e}"));
            if self.is_inside(decimal) {
                break;
            }
        }
        decimal
    }

    /// Rounds a tie to even: Rust rounds up where the number lies in the middle of two shortest decimals.
    fn even_of_a_tie(&self, decimal: Decimal) -> Decimal {
        let down = Decimal { digits: decimal.digits - 1, ..decimal };
        let middle = Decimal { digits: 2 * decimal.digits - 1, ..decimal };
        let tie = decimal.digits % 2 == 1 && equal(middle, self.mantissa, self.exponent + 1);
        if tie && self.is_inside(down) { down } else { decimal }
    }
}

/// Returns whether `decimal` is exactly `mantissa * 2^exponent`.
fn equal(decimal: Decimal, mantissa: u64, exponent: i32) -> bool {
    if decimal.digits == 0 || mantissa == 0 {
        return false;
    }
    // Both sides without their powers of two.
    let (twos, own_twos) = (decimal.digits.trailing_zeros() as i32, mantissa.trailing_zeros() as i32);
    let (digits, mantissa) = (decimal.digits >> twos, mantissa >> own_twos);
    if twos + decimal.exponent != own_twos + exponent {
        return false;
    }
    // Above this power of five one side is larger than the other can be.
    let Some(fives) = 5u128.checked_pow(decimal.exponent.unsigned_abs()).filter(|f| *f < 1 << 64) else {
        return false;
    };
    if decimal.exponent >= 0 {
        u128::from(digits) * fives == u128::from(mantissa)
    } else {
        u128::from(digits) == u128::from(mantissa) * fives
    }
}

impl Decimal {
    /// Parses the output of `{:e}`: `1.5e-7`.
    fn of(written: fmt::Arguments<'_>) -> Self {
        let mut reader = Reader { digits: 0, decimals: 0, exponent: 0, negative: false, part: Part::Whole };
        // Parsing does not fail.
        let _ = reader.write_fmt(written);
        let exponent = if reader.negative { -reader.exponent } else { reader.exponent };
        Self { digits: reader.digits, exponent: exponent - reader.decimals }
    }

    fn count(self) -> usize {
        self.digits.max(1).ilog10() as usize + 1
    }

    /// Prints like `to_chars` of the server's `d2s.c` and `f2s.c`. Numbers from the power of ten `widest` on get an exponent.
    fn write(mut self, widest: i32, out: &mut String) {
        while self.digits != 0 && self.digits.is_multiple_of(10) {
            self.digits /= 10;
            self.exponent += 1;
        }
        let start = out.len();
        let _ = write!(out, "{}", self.digits);
        let count = (out.len() - start) as i32;
        // The power of ten of the first digit.
        let power = self.exponent + count - 1;
        if !(-4..widest).contains(&power) {
            if count > 1 {
                out.insert(start + 1, '.');
            }
            let sign = if power < 0 { '-' } else { '+' };
            let _ = write!(out, "e{sign}{:02}", power.abs());
        } else if self.exponent >= 0 {
            out.extend(std::iter::repeat_n('0', self.exponent as usize));
        } else if power >= 0 {
            out.insert(start + 1 + power as usize, '.');
        } else {
            out.insert_str(start, &"0.000"[..(1 - power) as usize]);
        }
    }
}

/// A writer that parses a decimal while it is printed, without an intermediate text.
struct Reader {
    digits: u64,
    decimals: i32,
    exponent: i32,
    negative: bool,
    part: Part,
}

#[derive(PartialEq)]
enum Part {
    Whole,
    Decimals,
    Exponent,
}

impl fmt::Write for Reader {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        for byte in piece.bytes() {
            match byte {
                b'.' => self.part = Part::Decimals,
                b'e' => self.part = Part::Exponent,
                b'-' => self.negative = true,
                _ if self.part == Part::Exponent => {
                    self.exponent = self.exponent * 10 + i32::from(byte - b'0')
                }
                _ => {
                    self.digits = self.digits * 10 + u64::from(byte - b'0');
                    self.decimals += i32::from(self.part == Part::Decimals);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_float4_is_read_as_the_number_that_is_printed() {
        let mut random = fastrand::Rng::with_seed(20_261_123);
        for _ in 0..200_000 {
            let number = f32::from_bits(random.u32(..));
            let mut text = String::new();
            write4(number, &mut text);
            let wanted: f64 = text.parse().expect("a number");
            let read = float4_as_printed(number);
            assert!(
                read.to_bits() == wanted.to_bits() || (read.is_nan() && wanted.is_nan()),
                "{text}: {read}"
            );
            assert!(number.is_nan() || read as f32 == number, "{text}: {read}");
        }
        assert_eq!(float4_as_printed(1.1), 1.1);
    }
}
