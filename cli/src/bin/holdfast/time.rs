//! Times on the command line: written as the options of a pool are, and with decimals.

use std::time::Duration;

const UNITS: [(&str, f64); 6] =
    [("us", 1e-6), ("ms", 1e-3), ("s", 1.0), ("min", 60.0), ("h", 3_600.0), ("d", 86_400.0)];

/// A day.
const LONGEST: f64 = 86_400.0;

/// `12ms`, `0.4 ms`, `2min`. A bare whole number is milliseconds, as in the options; one with decimals could mean anything.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || {
        "give a time above 0 and up to a day, with unit us, ms, s, min, h or d, such as 12ms, 0.4ms or 2s \
         (a bare whole number is milliseconds)"
            .to_owned()
    };
    let text = text.trim();
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text[number.len()..].trim();
    let number = number.trim();
    // What Rust reads as numbers beyond these, such as 1e3, would be mistaken for a unit sooner or later.
    if !number.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return Err(wrong());
    }
    let unit = match unit {
        "" if number.contains('.') => None,
        "" => Some(1e-3),
        unit => UNITS.iter().find(|(known, _)| *known == unit).map(|(_, seconds)| *seconds),
    };
    let seconds = number.parse::<f64>().ok().zip(unit).map(|(number, unit)| number * unit);
    let allowed = seconds.filter(|seconds| *seconds > 0.0 && *seconds <= LONGEST);
    // Less than a microsecond would count as no time at all.
    allowed.map(|seconds| Duration::from_secs_f64(seconds.max(1e-6))).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_number_and_a_unit_or_is_milliseconds() {
        for (text, micros) in [
            ("12ms", 12_000),
            ("0.4 ms", 400),
            (" 5s ", 5_000_000),
            ("2min", 120_000_000),
            ("1d", 86_400_000_000),
            ("500", 500_000),
            ("1us", 1),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_micros(micros)), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused_with_what_is_one() {
        for wrong in [
            "", "ms", "0.5", "-1s", "0", "0s", "1m", "2d", "NaNs", "infs", "inf", "1e3", "2000min", "1.2.3s",
            "5 s s",
        ] {
            assert!(duration(wrong).unwrap_err().contains("such as 12ms"), "{wrong}");
        }
    }
}
