//! The text of dates and times in ISO style (`EncodeDateOnly`, `EncodeTimeOnly`, `EncodeDateTime`).

use std::fmt::Write as _;

pub(super) const MICROS_PER_SECOND: i64 = 1_000_000;
pub(super) const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// The days from 1970-01-01 to 2000-01-01, where the server's calendar begins.
const DAYS_TO_2000: i64 = 10_957;

/// Prints a date given in days since 2000-01-01. The ends of the range are the infinities.
pub(super) fn write_date(days: i32, out: &mut String) -> Option<()> {
    match days {
        i32::MAX => out.push_str("infinity"),
        i32::MIN => out.push_str("-infinity"),
        _ => {
            let before_christ = write_day(days.into(), out)?;
            if before_christ {
                out.push_str(" BC");
            }
        }
    }
    Some(())
}

/// Prints a timestamp given in microseconds since 2000-01-01 00:00:00, with this offset from UTC. The ends of the range are
/// the infinities.
pub(super) fn write_timestamp(micros: i64, offset: &str, out: &mut String) -> Option<()> {
    match micros {
        i64::MAX => out.push_str("infinity"),
        i64::MIN => out.push_str("-infinity"),
        _ => {
            let before_christ = write_day(micros.div_euclid(MICROS_PER_DAY), out)?;
            out.push(' ');
            write_time(micros.rem_euclid(MICROS_PER_DAY), out)?;
            out.push_str(offset);
            if before_christ {
                out.push_str(" BC");
            }
        }
    }
    Some(())
}

/// Prints a day, given in days since 2000-01-01, in the Gregorian calendar extended to all times. Returns whether the year is
/// before Christ, where 1 BC is the year 0.
fn write_day(days: i64, out: &mut String) -> Option<bool> {
    // Eras of 400 years all have the same number of days, counted from 0000-03-01: leap days come last.
    const DAYS_PER_ERA: i64 = 146_097;
    let days = days + DAYS_TO_2000 + 719_468;
    let (era, day) = (days.div_euclid(DAYS_PER_ERA), days.rem_euclid(DAYS_PER_ERA));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day_of_month = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + i64::from(month <= 2);
    let shown = if year > 0 { year } else { 1 - year };
    write!(out, "{shown:04}-{month:02}-{day_of_month:02}").ok()?;
    Some(year <= 0)
}

/// Prints a time given in microseconds since midnight, up to 24:00:00.
pub(super) fn write_time(micros: i64, out: &mut String) -> Option<()> {
    if !(0..=MICROS_PER_DAY).contains(&micros) {
        return None;
    }
    let seconds = micros / MICROS_PER_SECOND;
    write!(out, "{:02}:{:02}:", seconds / 3_600, seconds / 60 % 60).ok()?;
    write_seconds(seconds % 60, micros % MICROS_PER_SECOND, out);
    Some(())
}

/// Prints like `AppendSeconds`: two digits, and the microseconds without trailing zeros.
pub(super) fn write_seconds(seconds: i64, micros: i64, out: &mut String) {
    let _ = write!(out, "{seconds:02}");
    if micros != 0 {
        let _ = write!(out, ".{micros:06}");
        out.truncate(out.trim_end_matches('0').len());
    }
}

/// Prints a time of day, with the seconds that its zone lies west of UTC.
pub(super) fn write_timetz(bytes: &[u8], out: &mut String) -> Option<()> {
    let (time, zone) = bytes.split_first_chunk::<8>()?;
    write_time(i64::from_be_bytes(*time), out)?;
    let west = i64::from(i32::from_be_bytes(zone.try_into().ok()?));
    let (sign, seconds) = if west > 0 { ('-', west) } else { ('+', -west) };
    write!(out, "{sign}{:02}", seconds / 3_600).ok()?;
    let (minute, second) = (seconds / 60 % 60, seconds % 60);
    if minute != 0 || second != 0 {
        write!(out, ":{minute:02}").ok()?;
    }
    if second != 0 {
        write!(out, ":{second:02}").ok()?;
    }
    Some(())
}
