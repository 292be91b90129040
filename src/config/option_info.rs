//! A row of the option table: the facts about one option, the look-up by name, and the errors for values that do not
//! fit.

use std::fmt::Write as _;

use super::options::OPTIONS;
use super::settings::Pem;
use super::value::Kind;
use crate::error::Error;

/// The part of the table an option stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Group {
    /// Holdfast's own options, for the pool's behaviour.
    Pool,
    /// libpq's options, with libpq's meaning: the server, the user and the transport.
    Server,
    /// libpq's options that have no effect here: values that would change nothing are accepted, others refused.
    Compatibility,
}

/// The value of an option that is given nowhere.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Default {
    None,
    Text(&'static str),
    ByProfile {
        production: &'static str,
        development: &'static str,
    },
    /// Determined when the configuration is used.
    Described(&'static str),
}

/// An option: the same to connection strings, environment, setters, C and Node.
///
/// ```
/// let option = holdfast::config::option("idle_timeout").unwrap();
/// assert_eq!(option.default_text(), "15s");
/// assert_eq!(option.environment()[0], "HOLDFAST_IDLE_TIMEOUT");
/// for option in holdfast::config::options().iter().filter(|option| !option.is_secret()) {
///     println!("{}: {}, allowed is {}", option.key(), option.doc(), option.allowed());
/// }
/// ```
#[derive(Debug)]
pub struct OptionInfo {
    pub(super) key: &'static str,
    pub(super) group: Group,
    pub(super) kind: Kind,
    pub(super) default: Default,
    pub(super) libpq_env: &'static [&'static str],
    pub(super) doc: &'static str,
}

impl OptionInfo {
    /// The name, in snake case.
    pub fn key(&self) -> &'static str {
        self.key
    }

    /// The part of the table it stands in.
    ///
    /// ```
    /// use holdfast::config::Group;
    ///
    /// let options = holdfast::config::options();
    /// let of_libpq = options.iter().filter(|option| option.group() == Group::Server);
    /// assert!(of_libpq.map(|option| option.key()).any(|key| key == "sslmode"));
    /// ```
    pub fn group(&self) -> Group {
        self.group
    }

    /// The kind of its value: `text`, `secret`, `path`, `boolean`, `integer`, `number`, `duration`, `choice`, `ports`
    /// or `compatibility`.
    pub fn kind(&self) -> &'static str {
        self.kind.name()
    }

    /// Returns whether its value must never be shown.
    pub fn is_secret(&self) -> bool {
        let is_scram_key = self.key.starts_with("scram_") && self.key.ends_with("_key");
        matches!(self.kind, Kind::Secret) || self.key.contains("secret") || is_scram_key
    }

    /// The default, in words where it depends on the machine; empty where there is none.
    pub fn default_text(&self) -> String {
        match self.default {
            Default::None => String::new(),
            Default::Text(text) | Default::Described(text) => text.to_owned(),
            Default::ByProfile { production, development } => {
                format!("{production} in production, else {development}")
            }
        }
    }

    /// The values allowed, bounds included.
    pub fn allowed(&self) -> String {
        self.kind.allowed()
    }

    /// The effect, in one line.
    pub fn doc(&self) -> &'static str {
        self.doc.trim()
    }

    /// The environment variables it is read from; the first that is set and not empty counts. None for `environment` itself.
    pub fn environment(&self) -> Vec<String> {
        if self.key == ENVIRONMENT {
            return Vec::new();
        }
        let own = format!("HOLDFAST_{}", self.key.to_ascii_uppercase());
        std::iter::once(own).chain(self.libpq_env.iter().map(|name| (*name).to_owned())).collect()
    }

    /// The value as it may be shown: secrets, keys among them, and texts that look like a URL with credentials, are masked.
    pub(super) fn shown<'a>(&self, value: &'a str) -> &'a str {
        if value.is_empty() {
            value
        } else if self.is_secret() || value.contains("://") || Pem::is_text(value) {
            MASK
        } else {
            value
        }
    }

    /// The canonical text of a value, or an error that names key, value, source and what is allowed.
    pub(super) fn check(&self, value: &str, source: &str) -> Result<String, Error> {
        self.kind.canonical(value).map_err(|allowed| {
            let shown = self.shown(value).escape_debug();
            Error::config(format!("{} \"{shown}\"{source} is not valid: allowed is {allowed}", self.key))
        })
    }
}

/// The option that decides whether there are other sources than the program.
pub(super) const ENVIRONMENT: &str = "environment";

pub(super) const MASK: &str = "***";

/// All options, in the order of the reference table.
pub fn options() -> &'static [OptionInfo] {
    OPTIONS
}

/// The option of this name, if there is one.
pub fn option(key: &str) -> Option<&'static OptionInfo> {
    OPTIONS.iter().find(|row| row.key == key)
}

/// The option of this name, or an error that names the nearest one.
pub(super) fn known(key: &str) -> Result<&'static OptionInfo, Error> {
    option(key).ok_or_else(|| {
        Error::config(if looks_like_a_key(key) {
            format!("unknown option \"{key}\"{}", hint(key))
        } else {
            // The text may be a piece of a password that was not quoted or encoded.
            "unknown option (its name is not shown, since it does not look like one)".to_owned()
        })
    })
}

/// `; did you mean "..."?`, where a known name is near enough.
pub(super) fn hint(key: &str) -> String {
    match nearest(key) {
        Some(near) => format!("; did you mean \"{near}\"?"),
        None => "; `holdfast options` lists all there are".to_owned(),
    }
}

fn looks_like_a_key(text: &str) -> bool {
    (1..=40).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

/// The names that other libraries have for the same option; edit distance alone would not find these.
const ALIASES: [(&str, &str); 16] = [
    ("database", "dbname"),
    ("db", "dbname"),
    ("username", "user"),
    ("hostname", "host"),
    ("pool_size", "max_size"),
    ("max", "max_size"),
    ("min", "min_idle"),
    ("max_connections", "max_size"),
    ("connection_limit", "max_size"),
    ("pool_max_conns", "max_size"),
    ("pool_timeout", "connection_timeout"),
    ("acquire_timeout", "connection_timeout"),
    ("connect_timeout_ms", "connect_timeout"),
    ("statement_timeout", "statement_deadline"),
    ("ssl", "sslmode"),
    ("passwd", "password"),
];

/// The known key that a reader would take `text` for.
fn nearest(text: &str) -> Option<&'static str> {
    let mut folded = String::with_capacity(text.len() + 4);
    for c in text.chars() {
        match c {
            '-' | '.' | ' ' => folded.push('_'),
            c if c.is_ascii_uppercase() && folded.ends_with(|p: char| p.is_ascii_lowercase()) => {
                folded.push('_');
                folded.push(c.to_ascii_lowercase());
            }
            c => folded.push(c.to_ascii_lowercase()),
        }
    }
    if let Some((_, key)) = ALIASES.iter().find(|(alias, _)| *alias == folded) {
        return Some(key);
    }
    let limit = (folded.len() / 3).clamp(1, 3);
    OPTIONS
        .iter()
        .map(|row| (distance(&folded, row.key), row.key))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, key)| key)
}

/// Edit distance, in which a swap of neighbours is one step: the commonest slip of the keyboard.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut before_last = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let change = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = change.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before_last[j - 2] + 1);
            }
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

/// The reference of all options as Markdown tables, one per group.
///
/// ```
/// assert!(holdfast::config::reference_table().contains("| `max_size` |"));
/// ```
pub fn reference_table() -> String {
    let mut text = String::new();
    for (group, title) in [
        (Group::Pool, "The pool"),
        (Group::Server, "The server (libpq's options, with libpq's meaning)"),
        (Group::Compatibility, "Accepted from libpq where they change nothing"),
    ] {
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "### {title}\n\n| key | default | environment | allowed | meaning |\n|---|---|---|---|---|\n"
        );
        for row in OPTIONS.iter().filter(|row| row.group == group) {
            let _ = writeln!(
                text,
                "| `{}` | {} | {} | {} | {} |",
                row.key,
                row.default_text(),
                row.environment().iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
                row.allowed(),
                row.doc(),
            );
        }
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_names_the_nearest_known_one() {
        for (typed, meant) in [
            ("max_sise", "max_size"),
            ("maxSize", "max_size"),
            ("idleTimeout", "idle_timeout"),
            ("idle-timeout", "idle_timeout"),
            ("ssl_mode", "sslmode"),
            ("hsot", "host"),
            ("database", "dbname"),
            ("keepalive_idle", "keepalives_idle"),
        ] {
            let error = known(typed).unwrap_err().to_string();
            assert!(
                error.contains(&format!("unknown option \"{typed}\"; did you mean \"{meant}\"?")),
                "{error}"
            );
        }
    }

    #[test]
    fn an_unknown_key_far_from_all_others_gets_no_wrong_advice() {
        let error = known("zzzzzzzz").unwrap_err().to_string();
        assert!(!error.contains("did you mean"), "{error}");
    }

    #[test]
    fn what_does_not_look_like_a_key_is_not_repeated() {
        let error = known("s3cr&t!").unwrap_err().to_string();
        assert!(!error.contains("s3cr"), "{error}");
    }

    #[test]
    fn keys_are_unique_and_every_default_is_itself_allowed() {
        for (index, row) in OPTIONS.iter().enumerate() {
            assert!(OPTIONS[..index].iter().all(|other| other.key != row.key), "{}", row.key);
            let defaults = match row.default {
                Default::Text(text) => vec![text],
                Default::ByProfile { production, development } => vec![production, development],
                Default::None | Default::Described(_) => vec![],
            };
            for text in defaults {
                assert_eq!(row.kind.canonical(text).as_deref(), Ok(text), "{}", row.key);
            }
        }
    }

    #[test]
    fn every_option_says_what_it_is_in_one_line() {
        for row in OPTIONS {
            assert!(!row.doc().is_empty() && !row.doc().contains(['\n', '|']), "{}", row.key);
            assert!(!row.allowed().contains('|'), "{}", row.key);
        }
    }

    #[test]
    fn the_reference_lists_every_option_once() {
        let table = reference_table();
        for row in OPTIONS {
            assert_eq!(table.matches(&format!("\n| `{}` |", row.key)).count(), 1, "{}", row.key);
        }
    }
}
