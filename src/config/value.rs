//! The kinds of value an option can have, and their reading from text.
//!
//! Values travel as canonical text (`15s`, `true`, `verify-full`): that is what is kept, shown and read back, so that
//! whatever `get` prints can be given to `set`. [`Kind::canonical`] is the only way in.

use std::time::Duration;

/// The unit of a number without one. libpq's own keys keep libpq's units, so that a connection string means the same to
/// `psql` and to Holdfast; Holdfast's keys count milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bare {
    Milliseconds,
    /// libpq: seconds, and a negative number is zero.
    LibpqSeconds,
    /// libpq: milliseconds, and a negative number is zero.
    LibpqMilliseconds,
}

/// The kind of an option's value, with its bounds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Text,
    Secret,
    Path,
    Flag,
    Integer {
        min: u32,
        max: u32,
    },
    /// A share between 0 and 1.
    Share,
    Duration {
        bare: Bare,
        min: Duration,
        max: Duration,
        /// The meaning of `0`, where it is not simply no time.
        zero: Option<&'static str>,
    },
    Choice(&'static [&'static str]),
    /// Port numbers, comma-separated, each of which may be empty.
    Ports,
    /// One of libpq's options without effect in Holdfast: values that change nothing are accepted, all others refused.
    Inert {
        harmless: &'static [&'static str],
        because: &'static str,
    },
    /// One of libpq's options of which any value is accepted and ignored.
    Ignored {
        because: &'static str,
    },
}

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// Largest first: the first that divides a duration without rest is the one it is written in.
const UNITS: [(&str, Duration); 6] = [
    ("d", DAY),
    ("h", HOUR),
    ("min", MINUTE),
    ("s", SECOND),
    ("ms", Duration::from_millis(1)),
    ("us", Duration::from_micros(1)),
];

impl Kind {
    /// Returns the value in canonical text, or the values allowed instead.
    pub(crate) fn canonical(&self, text: &str) -> Result<String, String> {
        if text.contains('\0') {
            // A NUL would end the value early in the start-up packet, and the rest would be read as another setting.
            return Err("a text without NUL bytes".to_owned());
        }
        let found = match self {
            Self::Text | Self::Secret | Self::Path | Self::Ignored { .. } => Some(text.to_owned()),
            Self::Flag => flag(text).map(|on| on.to_string()),
            Self::Integer { min, max } => text
                .trim()
                .parse::<u32>()
                .ok()
                .filter(|number| (min..=max).contains(&number))
                .map(|number| number.to_string()),
            Self::Share => text
                .trim()
                .parse::<f64>()
                .ok()
                .filter(|share| (0.0..=1.0).contains(share))
                .map(|share| share.abs().to_string()),
            Self::Duration { bare, min, max, zero } => duration(text, *bare)
                .filter(|d| (d.is_zero() && zero.is_some()) || (min..=max).contains(&d))
                .map(write_duration),
            Self::Choice(names) => {
                names.iter().find(|name| name.eq_ignore_ascii_case(text)).map(|name| (*name).to_owned())
            }
            Self::Ports => text.split(',').all(is_port_or_empty).then(|| text.to_owned()),
            Self::Inert { harmless, .. } => (text.is_empty()
                || harmless.iter().any(|value| value.eq_ignore_ascii_case(text)))
            .then(|| text.to_owned()),
        };
        found.ok_or_else(|| self.allowed())
    }

    /// The values allowed, as the end of the sentence "allowed is ...".
    pub(crate) fn allowed(&self) -> String {
        match self {
            Self::Text => "any text".to_owned(),
            Self::Secret => "any text (never shown)".to_owned(),
            Self::Path => "a path".to_owned(),
            Self::Flag => "true or false (also on/off, yes/no, 1/0)".to_owned(),
            Self::Integer { min, max } => format!("a whole number from {min} to {max}"),
            Self::Share => "a number from 0 to 1".to_owned(),
            Self::Duration { bare, min, max, zero } => {
                let unit = match bare {
                    Bare::LibpqSeconds => "seconds, as in libpq",
                    Bare::LibpqMilliseconds | Bare::Milliseconds => "milliseconds",
                };
                let zero = zero.map(|meaning| format!("; 0 {meaning}")).unwrap_or_default();
                format!(
                    "{} to {}, with unit us, ms, s, min, h or d (a bare number is {unit}){zero}",
                    write_duration(*min),
                    write_duration(*max),
                )
            }
            Self::Choice(names) => one_of(names),
            Self::Ports => "a port number from 1 to 65535, or one per host, comma-separated".to_owned(),
            Self::Inert { harmless: [], because } => format!("nothing, since {because}"),
            Self::Inert { harmless, because } => format!("{}, since {because}", one_of(harmless)),
            Self::Ignored { because } => format!("any text; without effect, since {because}"),
        }
    }

    /// The kind's stable name.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Secret => "secret",
            Self::Path => "path",
            Self::Flag => "boolean",
            Self::Integer { .. } => "integer",
            Self::Share => "number",
            Self::Duration { .. } => "duration",
            Self::Choice(_) => "choice",
            Self::Ports => "ports",
            Self::Inert { .. } | Self::Ignored { .. } => "compatibility",
        }
    }
}

fn one_of(names: &[&str]) -> String {
    match names {
        [] => "nothing".to_owned(),
        [only] => (*only).to_owned(),
        [rest @ .., last] => format!("{} or {last}", rest.join(", ")),
    }
}

/// A truth value, in any of the ways PostgreSQL and people write one.
pub(crate) fn flag(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "on" | "yes" | "1" => Some(true),
        "false" | "off" | "no" | "0" => Some(false),
        _ => None,
    }
}

fn is_port_or_empty(text: &str) -> bool {
    text.trim().is_empty() || text.trim().parse::<u16>().is_ok_and(|port| port > 0)
}

/// Reads `15s`, `500 ms`, `30min` or a bare number; `None` for anything else, overflow included.
pub(crate) fn duration(text: &str, bare: Bare) -> Option<Duration> {
    let text = text.trim();
    if bare != Bare::Milliseconds && text.starts_with('-') && text.parse::<i64>().is_ok() {
        return Some(Duration::ZERO);
    }
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let unit = match unit.trim_start() {
        "" if bare == Bare::LibpqSeconds => SECOND,
        "" => Duration::from_millis(1),
        name => UNITS.iter().find(|(known, _)| *known == name).map(|(_, length)| *length)?,
    };
    let micros = u128::from(number).checked_mul(unit.as_micros())?;
    u64::try_from(micros).ok().map(Duration::from_micros)
}

/// Reads a duration as Holdfast's options are written: `15s`, `500 ms`, `30min`; a bare number is milliseconds. `None` for
/// anything else, overflow included.
///
/// ```
/// use std::time::Duration;
/// use holdfast::config::{parse_duration, write_duration};
///
/// let config = holdfast::PoolConfig::new().idle_timeout(Duration::from_millis(1500));
/// let text = config.get("idle_timeout")?.unwrap_or_default();
/// assert_eq!(text, write_duration(Duration::from_millis(1500)));
/// assert_eq!(parse_duration(&text), Some(Duration::from_millis(1500)));
/// # Ok::<(), holdfast::Error>(())
/// ```
pub fn parse_duration(text: &str) -> Option<Duration> {
    duration(text, Bare::Milliseconds)
}

/// Returns the canonical text of a duration, as [`PoolConfig::get`](crate::PoolConfig::get) does: whole numbers of the largest
/// unit that fits. Less than a microsecond counts as one, so that a short time never turns into the special value zero.
pub fn write_duration(duration: Duration) -> String {
    let micros = duration.as_nanos().div_ceil(1_000);
    if micros == 0 {
        return "0".to_owned();
    }
    for (unit, length) in UNITS {
        if micros.is_multiple_of(length.as_micros()) {
            return format!("{}{unit}", micros / length.as_micros());
        }
    }
    format!("{micros}us")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_number_is_milliseconds_for_holdfast_and_seconds_for_libpq() {
        assert_eq!(duration("15", Bare::Milliseconds), Some(Duration::from_millis(15)));
        assert_eq!(duration("15", Bare::LibpqSeconds), Some(Duration::from_secs(15)));
        assert_eq!(duration("15", Bare::LibpqMilliseconds), Some(Duration::from_millis(15)));
    }

    #[test]
    fn a_duration_takes_one_unit_and_nothing_else() {
        assert_eq!(duration("30min", Bare::Milliseconds), Some(Duration::from_secs(1_800)));
        assert_eq!(duration(" 2 h ", Bare::Milliseconds), Some(Duration::from_secs(7_200)));
        assert_eq!(duration("7us", Bare::Milliseconds), Some(Duration::from_micros(7)));
        for bad in [
            "",
            "s",
            "1m",
            "1 minute",
            "-1s",
            "-5",
            "1.5s",
            "1s2",
            "99999999999999999999",
            "18446744073709551615d",
        ] {
            assert_eq!(duration(bad, Bare::Milliseconds), None, "{bad:?}");
        }
    }

    #[test]
    fn a_negative_number_counts_as_zero_only_where_libpq_says_so() {
        assert_eq!(duration("-1", Bare::LibpqSeconds), Some(Duration::ZERO));
        assert_eq!(duration("-1", Bare::Milliseconds), None);
        assert_eq!(duration("-", Bare::LibpqSeconds), None);
    }

    #[test]
    fn a_duration_written_is_read_back_the_same() {
        for micros in [0, 1, 999, 1_000, 1_500, 60_000_000, 90_000_000, 3_600_000_000, 172_800_000_000] {
            let d = Duration::from_micros(micros);
            let text = write_duration(d);
            assert_eq!(duration(&text, Bare::Milliseconds), Some(d), "{text}");
            assert_eq!(duration(&text, Bare::LibpqSeconds), Some(d), "{text}");
        }
    }

    #[test]
    fn a_time_too_short_to_write_never_becomes_zero() {
        assert_eq!(write_duration(Duration::from_nanos(1)), "1us");
    }

    #[test]
    fn a_nul_byte_is_refused_in_every_kind() {
        for kind in [Kind::Text, Kind::Secret, Kind::Path, Kind::Ports, Kind::Choice(&["a\0"])] {
            assert!(kind.canonical("a\0").is_err(), "{kind:?}");
        }
    }

    #[test]
    fn a_share_that_is_no_number_is_refused() {
        for bad in ["NaN", "inf", "-0.1", "1.01", "", "20%"] {
            assert!(Kind::Share.canonical(bad).is_err(), "{bad}");
        }
        assert_eq!(Kind::Share.canonical("0.20").as_deref(), Ok("0.2"));
        assert_eq!(Kind::Share.canonical("-0").as_deref(), Ok("0"));
    }
}
