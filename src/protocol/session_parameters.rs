//! The session settings that affect the text of values, as the server reports them (`ParameterStatus`).
//!
//! Servers report at the start of a session and again whenever a statement changed a setting, before `ReadyForQuery`.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// The settings that decide the text of values. A setting that was not reported counts as non-default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct TextSettings(u32);

const ISO_DATES: u32 = 1 << 8;
const UTC: u32 = 1 << 9;
const POSTGRES_INTERVALS: u32 = 1 << 10;
/// The lowest byte: the server's major version, 0 if unknown.
const VERSION: u32 = 0xff;

/// The names of plain UTC in the time zone database, and the one that `SET TIME ZONE 0` makes.
const UTC_NAMES: [&str; 19] = [
    "UTC",
    "Etc/UTC",
    "GMT",
    "Etc/GMT",
    "UCT",
    "Etc/UCT",
    "Zulu",
    "Etc/Zulu",
    "Universal",
    "Etc/Universal",
    "Greenwich",
    "Etc/Greenwich",
    "GMT0",
    "Etc/GMT0",
    "GMT+0",
    "Etc/GMT+0",
    "GMT-0",
    "Etc/GMT-0",
    "<+00>-00",
];

impl TextSettings {
    /// Returns the settings of a newly installed server, in a session in UTC.
    pub(crate) fn ordinary(server_major: u8) -> Self {
        Self(ISO_DATES | UTC | POSTGRES_INTERVALS | u32::from(server_major))
    }

    /// Returns whether `DateStyle` is ISO: dates and timestamps look like `2026-11-23 12:00:00`.
    pub(crate) fn has_iso_dates(self) -> bool {
        self.0 & ISO_DATES != 0
    }

    /// Returns whether `TimeZone` is UTC under one of its names.
    pub(crate) fn is_in_utc(self) -> bool {
        self.0 & UTC != 0
    }

    /// Returns whether `IntervalStyle` is `postgres`.
    pub(crate) fn has_postgres_intervals(self) -> bool {
        self.0 & POSTGRES_INTERVALS != 0
    }

    /// Returns whether floats are printed with the fewest digits that distinguish them: from PostgreSQL 12 on, unless
    /// `extra_float_digits` is below 1, which servers do not report.
    pub(crate) fn has_shortest_floats(self) -> bool {
        self.server_major() >= 12
    }

    /// Returns the server's major version, 0 if unknown.
    pub(crate) fn server_major(self) -> u8 {
        (self.0 & VERSION) as u8
    }

    fn with(self, flag: u32, on: bool) -> Self {
        Self(if on { self.0 | flag } else { self.0 & !flag })
    }

    /// Returns the settings after a report: the body of a `ParameterStatus`, or its beginning.
    pub(crate) fn after_report(self, body: &[u8]) -> Self {
        let mut parts = body.split(|b| *b == 0);
        let (Some(name), Some(value)) = (parts.next(), parts.next()) else { return self };
        // A value cut off is longer than any default: known to be non-default.
        let whole = parts.next().is_some();
        let value = std::str::from_utf8(value).ok().filter(|_| whole).unwrap_or("");
        match name {
            b"DateStyle" => self.with(ISO_DATES, value.split(',').next() == Some("ISO")),
            b"TimeZone" => self.with(UTC, UTC_NAMES.iter().any(|name| name.eq_ignore_ascii_case(value))),
            b"IntervalStyle" => self.with(POSTGRES_INTERVALS, value == "postgres"),
            b"server_version" => Self(self.0 & !VERSION | u32::from(major(value))),
            _ => self,
        }
    }
}

/// Returns the number that a version begins with: 15 of `15.4 (Debian 15.4-1)`, of `15beta1` and of `15`.
fn major(version: &str) -> u8 {
    let digits = version.find(|c: char| !c.is_ascii_digit()).unwrap_or(version.len());
    version[..digits].parse().unwrap_or(0)
}

/// The settings as last reported. Written by the thread that drives the connection, read by any.
#[derive(Debug, Default)]
pub(crate) struct Reported(AtomicU32);

impl Reported {
    /// Applies the body of a `ParameterStatus`, or its beginning.
    pub(crate) fn apply(&self, body: &[u8]) {
        self.0.store(self.now().after_report(body).0, Relaxed);
    }

    pub(crate) fn now(&self) -> TextSettings {
        TextSettings(self.0.load(Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(reports: &[&[u8]]) -> TextSettings {
        let reported = Reported::default();
        for report in reports {
            reported.apply(report);
        }
        reported.now()
    }

    #[test]
    fn the_reports_of_an_ordinary_server_are_understood() {
        let all: [&[u8]; 5] = [
            b"server_version\x0015.14 (Debian 15.14-0+deb12u1)\0",
            b"DateStyle\0ISO, MDY\0",
            b"TimeZone\0Etc/UTC\0",
            b"IntervalStyle\0postgres\0",
            b"application_name\0UTC\0",
        ];
        assert_eq!(after(&all), TextSettings::ordinary(15));
    }

    #[test]
    fn a_change_to_a_non_default_value_is_noticed() {
        for (report, changed) in [
            (&b"DateStyle\0German, DMY\0"[..], TextSettings::has_iso_dates as fn(TextSettings) -> bool),
            (b"TimeZone\0Europe/Berlin\0", TextSettings::is_in_utc),
            (b"IntervalStyle\0iso_8601\0", TextSettings::has_postgres_intervals),
            (b"server_version\x009.6.24\0", TextSettings::has_shortest_floats),
            // Cut off.
            (b"TimeZone\0UTC", TextSettings::is_in_utc),
            (b"TimeZone\0\xff\0", TextSettings::is_in_utc),
        ] {
            let reported = Reported::default();
            reported.0.store(TextSettings::ordinary(15).0, Relaxed);
            assert!(changed(reported.now()));
            reported.apply(report);
            assert!(!changed(reported.now()), "{report:?}");
        }
        assert_eq!(after(&[b"", b"\0", b"TimeZone", b"server_version\0devel\0"]), TextSettings::default());
    }
}
