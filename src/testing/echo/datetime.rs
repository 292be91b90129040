//! Parses dates and timestamps in the form in which the server prints them.

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// Parses a date to days since 2000-01-01.
pub(super) fn date(text: &str) -> Option<i32> {
    match text {
        "infinity" => Some(i32::MAX),
        "-infinity" => Some(i32::MIN),
        _ => {
            let (text, before_christ) = era(text);
            i32::try_from(days(text, before_christ)?).ok()
        }
    }
}

/// Parses a timestamp to microseconds since 2000-01-01 00:00:00; with a zone, in UTC.
pub(super) fn timestamp(text: &str, with_zone: bool) -> Option<i64> {
    match text {
        "infinity" => return Some(i64::MAX),
        "-infinity" => return Some(i64::MIN),
        _ => {}
    }
    let (text, before_christ) = era(text);
    let (date, time) = text.split_once([' ', 'T']).unwrap_or((text, "00:00"));
    let zone_at = time.find(['+', '-', 'Z']).unwrap_or(time.len());
    let (time, zone) = time.split_at(zone_at);
    // A zone where none belongs is read and ignored, as in the server.
    let west_of_utc = if with_zone { -offset(zone)? } else { 0 };
    days(date, before_christ)?.checked_mul(MICROS_PER_DAY)?.checked_add(time_of_day(time)? + west_of_utc)
}

fn era(text: &str) -> (&str, bool) {
    text.strip_suffix(" BC").map_or((text, false), |rest| (rest, true))
}

/// Returns the number of the day `year-month-day`, 0 being 2000-01-01.
fn days(text: &str, before_christ: bool) -> Option<i64> {
    let mut parts = text.splitn(3, '-').map(number);
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let year = if before_christ { 1 - year } else { year };
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(is_leap),
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=length).contains(&day) || year > 5_874_897 {
        return None;
    }
    // Years begin in March, so that the leap day comes last; eras of 400 years all have 146,097 days.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, year) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    Some(era * 146_097 + year * 365 + year / 4 - year / 100 + day_of_year - 730_425)
}

/// Parses a time to microseconds since midnight, up to 24:00.
fn time_of_day(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, ':');
    let (hours, minutes) = (number(parts.next()?)?, number(parts.next()?)?);
    let (seconds, fraction) = parts.next().map_or(("0", ""), |s| s.split_once('.').unwrap_or((s, "")));
    let seconds = number(seconds)?;
    if fraction.len() > 6 || hours > 24 || minutes > 59 || seconds > 59 {
        return None;
    }
    let micros = if fraction.is_empty() { 0 } else { number(&format!("{fraction:0<6}"))? };
    let all = ((hours * 60 + minutes) * 60 + seconds) * 1_000_000 + micros;
    (all <= MICROS_PER_DAY).then_some(all)
}

/// Parses a zone (`+02`, `-03:30`, `Z`) to microseconds east of UTC; an empty one is UTC.
fn offset(zone: &str) -> Option<i64> {
    if matches!(zone, "" | "Z") {
        return Some(0);
    }
    let (sign, zone) = zone.split_at(1);
    let mut seconds = 0;
    for (part, unit) in zone.splitn(3, ':').zip([3_600, 60, 1]) {
        seconds += number(part)? * unit;
    }
    Some(if sign == "-" { -seconds } else { seconds } * 1_000_000)
}

/// Parses a number of digits alone; `None` if it does not fit.
fn number(text: &str) -> Option<i64> {
    let is_number = !text.is_empty() && text.len() < 9 && text.bytes().all(|b| b.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_moments_are_counted_from_2000_on() {
        assert_eq!(date("2000-01-01"), Some(0));
        assert_eq!(date("1970-01-01"), Some(-10_957));
        assert_eq!(date("0001-12-31 BC"), Some(-730_120));
        assert_eq!(timestamp("2000-01-02", false), Some(MICROS_PER_DAY));
        assert_eq!(timestamp("2000-01-01T00:00:01.5", false), Some(1_500_000));
        assert_eq!(timestamp("2000-01-01 02:00+02", true), Some(0));
        assert_eq!(timestamp("2000-01-01 00:00-00:30", true), Some(30 * 60_000_000));
        assert_eq!(timestamp("2000-01-01 02:00+02", false), Some(2 * 3_600_000_000));
    }

    #[test]
    fn invalid_days_and_times_are_refused() {
        for text in ["", "2026", "2026-13-01", "2025-02-29", "2026-01-00", "2026-1-x", "-1-01-01", "ü"] {
            assert_eq!(date(text), None, "{text}");
        }
        for text in
            ["2026-01-01 25:00", "2026-01-01 12:60", "2026-01-01 12:00:00.1234567", "2026-01-01 24:00:01"]
        {
            assert_eq!(timestamp(text, true), None, "{text}");
        }
    }
}
