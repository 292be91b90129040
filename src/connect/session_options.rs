//! `options` in the form that the other end takes.
//!
//! A server takes settings as command-line options (`-c name=value`) in one parameter, `options`, as libpq sends them, and as
//! parameters of their own names. Poolers take the one or the other: PgBouncer before 1.20 refuses `options`, and takes a name
//! that `ignore_startup_parameters` lists. So the second form is tried once where the first was refused, and kept where it was
//! taken.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// The settings of a session, in one of both forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SessionOptions {
    None,
    /// As given, in one parameter.
    Together(String),
    /// By name and value.
    Apart(Vec<(String, String)>),
}

impl SessionOptions {
    /// Returns the parameters for the start-up packet.
    pub(super) fn parameters(&self) -> Vec<(&str, &str)> {
        match self {
            Self::None => Vec::new(),
            Self::Together(text) => vec![("options", text)],
            Self::Apart(settings) => {
                settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
            }
        }
    }
}

/// The form that the connections of one target use.
#[derive(Debug, Default)]
pub(super) struct OptionsForm {
    apart: AtomicBool,
}

impl OptionsForm {
    /// Returns the settings in the form in use.
    pub(super) fn of(&self, options: Option<&str>) -> SessionOptions {
        let Some(text) = options else { return SessionOptions::None };
        match split(text).filter(|_| self.apart.load(Relaxed)) {
            Some(settings) => SessionOptions::Apart(settings),
            None => SessionOptions::Together(text.to_owned()),
        }
    }

    /// Returns the settings in the other form, after a pooler refused them in this one; `None` where there is no other.
    pub(super) fn other(&self, refused: &SessionOptions, options: Option<&str>) -> Option<SessionOptions> {
        match refused {
            SessionOptions::None => None,
            SessionOptions::Together(text) => split(text).map(SessionOptions::Apart),
            SessionOptions::Apart(_) => options.map(|text| SessionOptions::Together(text.to_owned())),
        }
    }

    /// Keeps the form in which the settings were taken.
    pub(super) fn keep(&self, taken: &SessionOptions) {
        self.apart.store(matches!(taken, SessionOptions::Apart(_)), Relaxed);
    }
}

/// Splits a text of `-c name=value` and `--name=value` into names and values, as servers do (`pg_split_opts`,
/// `process_postgres_switches`). `None` when it has anything else.
fn split(text: &str) -> Option<Vec<(String, String)>> {
    let mut settings = Vec::new();
    let mut words = words(text).into_iter();
    while let Some(word) = words.next() {
        let setting = match word.strip_prefix("--").map(str::to_owned) {
            Some(setting) => setting,
            None => match word.strip_prefix("-c")? {
                "" => words.next()?,
                attached => attached.to_owned(),
            },
        };
        let (name, value) = setting.split_once('=')?;
        if name.is_empty() {
            return None;
        }
        settings.push((name.replace('-', "_"), value.to_owned()));
    }
    Some(settings).filter(|settings| !settings.is_empty())
}

/// The words of a text; a backslash makes the next character part of its word.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        if c.is_ascii_whitespace() {
            words.extend(word.take());
            continue;
        }
        let c = if c == '\\' { characters.next() } else { Some(c) };
        word.get_or_insert_default().extend(c);
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Option<Vec<(String, String)>> {
        split(text)
    }

    #[test]
    fn settings_are_split_as_servers_do() {
        let found = pairs("-c statement_timeout=5s  --lock-timeout=1s -cDateStyle=ISO,\\ MDY").unwrap();
        let found: Vec<_> = found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(found, [("statement_timeout", "5s"), ("lock_timeout", "1s"), ("DateStyle", "ISO, MDY")]);
        for other in ["-d 5", "-c", "-c work_mem", "statement_timeout=5", "", "-c =1", "-c a=1 -F"] {
            assert_eq!(pairs(other), None, "{other}");
        }
    }

    #[test]
    fn the_other_form_is_tried_once_and_the_one_that_was_taken_is_kept() {
        let (form, options) = (OptionsForm::default(), Some("-c statement_timeout=5s"));
        let first = form.of(options);
        assert_eq!(first.parameters(), [("options", "-c statement_timeout=5s")]);
        let second = form.other(&first, options).unwrap();
        assert_eq!(second.parameters(), [("statement_timeout", "5s")]);
        form.keep(&second);
        assert_eq!(form.of(options), second);
        assert_eq!(form.other(&second, options), Some(first));
        assert_eq!(form.of(Some("-d 5")).parameters(), [("options", "-d 5")], "it cannot be split");
        assert_eq!(form.other(&SessionOptions::Together("-d 5".into()), Some("-d 5")), None);
        assert_eq!(form.other(&form.of(None), None), None);
    }
}
