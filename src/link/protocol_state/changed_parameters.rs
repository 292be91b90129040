//! Settings that the server reported again after the session's start: `TimeZone` after a `SET`, `in_hot_standby` after a promotion.

use crate::sys::sync::Mutex;

/// The newest report of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Report {
    Value(String),
    /// The setting has another value, of which only the beginning was looked at.
    TooLong,
}

#[derive(Debug, Default)]
pub(super) struct ChangedParameters(Mutex<Vec<(Box<[u8]>, Report)>>);

impl ChangedParameters {
    /// Records the body of a `ParameterStatus`, or its beginning.
    pub(super) fn note_report(&self, body: &[u8]) {
        let mut parts = body.split(|b| *b == 0);
        let (Some(name), Some(value)) = (parts.next(), parts.next()) else { return };
        let report = match parts.next() {
            Some(_) => Report::Value(String::from_utf8_lossy(value).into_owned()),
            None => Report::TooLong,
        };
        let mut changed = self.0.lock();
        match changed.iter_mut().find(|(known, _)| **known == *name) {
            Some((_, before)) => *before = report,
            None => changed.push((name.into(), report)),
        }
    }

    /// Returns the newest report of a setting; `None` when it was not reported again.
    pub(super) fn get(&self, name: &str) -> Option<Report> {
        let changed = self.0.lock();
        changed.iter().find(|(known, _)| **known == *name.as_bytes()).map(|(_, report)| report.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_report_counts_and_a_value_cut_off_is_not_taken_for_whole() {
        let changed = ChangedParameters::default();
        assert_eq!(changed.get("TimeZone"), None);
        changed.note_report(b"TimeZone\0UTC\0");
        changed.note_report(b"search_path\0public\0");
        changed.note_report(b"TimeZone\0Europe/Zurich\0");
        changed.note_report(b"search_path\0one, two, thr");
        assert_eq!(changed.get("TimeZone"), Some(Report::Value("Europe/Zurich".to_owned())));
        assert_eq!(changed.get("search_path"), Some(Report::TooLong));
    }
}
