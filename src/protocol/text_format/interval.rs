//! The text of intervals with `IntervalStyle=postgres` (`EncodeInterval`).

use std::fmt::Write as _;

use super::date::{MICROS_PER_SECOND, write_seconds};
use crate::protocol::session_parameters::TextSettings;

/// Prints an interval: microseconds, days and months, which the server keeps apart. From PostgreSQL 17 on, all at one end of
/// their range mean infinity.
pub(super) fn write(bytes: &[u8], settings: TextSettings, out: &mut String) -> Option<()> {
    let bytes: [u8; 16] = bytes.try_into().ok()?;
    let [m0, m1, m2, m3, m4, m5, m6, m7, d0, d1, d2, d3, n0, n1, n2, n3] = bytes;
    let micros = i64::from_be_bytes([m0, m1, m2, m3, m4, m5, m6, m7]);
    let days = i32::from_be_bytes([d0, d1, d2, d3]);
    let months = i32::from_be_bytes([n0, n1, n2, n3]);
    if settings.server_major() >= 17 {
        match (micros, days, months) {
            (i64::MAX, i32::MAX, i32::MAX) => return out.write_str("infinity").ok(),
            (i64::MIN, i32::MIN, i32::MIN) => return out.write_str("-infinity").ok(),
            _ => {}
        }
    }
    let mut parts = Parts { out, empty: true, after_negative: false };
    parts.add(months / 12, "year");
    parts.add(months % 12, "mon");
    parts.add(days, "day");
    if micros != 0 || parts.empty {
        parts.add_time(micros);
    }
    Some(())
}

struct Parts<'a> {
    out: &'a mut String,
    empty: bool,
    /// Set behind a negative part: the next part shows its plus.
    after_negative: bool,
}

impl Parts<'_> {
    /// Adds a part like `AddPostgresIntPart`.
    fn add(&mut self, number: i32, unit: &str) {
        if number == 0 {
            return;
        }
        let space = if self.empty { "" } else { " " };
        let plus = if self.after_negative && number > 0 { "+" } else { "" };
        let plural = if number == 1 { "" } else { "s" };
        let _ = write!(self.out, "{space}{plus}{number} {unit}{plural}");
        self.after_negative = number < 0;
        self.empty = false;
    }

    fn add_time(&mut self, micros: i64) {
        let space = if self.empty { "" } else { " " };
        let sign = match (micros < 0, self.after_negative) {
            (true, _) => "-",
            (false, true) => "+",
            (false, false) => "",
        };
        let (seconds, micros) =
            (micros / MICROS_PER_SECOND, (micros % MICROS_PER_SECOND).unsigned_abs() as i64);
        let seconds = seconds.unsigned_abs() as i64;
        let _ = write!(self.out, "{space}{sign}{:02}:{:02}:", seconds / 3_600, seconds / 60 % 60);
        write_seconds(seconds % 60, micros, self.out);
    }
}
