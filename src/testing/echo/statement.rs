//! The meaning of a statement to the echo server.

use std::time::Duration;

use super::sql;
use super::sql::Scanned;
use super::transaction::Verb;
use super::wire::Refusal;
use crate::session::oid::{BOOL, DATE, FLOAT4, FLOAT8, INT2, INT4, INT8, OID, TEXT};
use crate::session::oid::{TIMESTAMP, TIMESTAMPTZ, UUID};

/// A parsed statement.
#[derive(Debug)]
pub(super) struct Statement {
    /// The text as received.
    pub(super) text: String,
    pub(super) action: Action,
    /// The types of the parameters; text where none was given.
    pub(super) parameters: Vec<u32>,
}

/// The action of a statement.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Action {
    Nothing,
    /// Returns one row: the parameters, or the statement's own text if it has none.
    Echo,
    Rows(u32),
    Error {
        code: String,
        message: String,
    },
    /// Sleeps and then returns the text, as do the next two.
    Sleep(Duration),
    Notice(String),
    Notify {
        channel: String,
        payload: String,
    },
    HangUp,
    Transaction(Verb),
}

/// A column of a result.
pub(super) struct Shown {
    pub(super) name: String,
    pub(super) type_oid: u32,
}

impl Shown {
    fn new(name: impl Into<String>, type_oid: u32) -> Self {
        Self { name: name.into(), type_oid }
    }

    /// Returns the type's `pg_type.typlen`.
    pub(super) fn type_size(&self) -> i16 {
        match self.type_oid {
            BOOL => 1,
            INT2 => 2,
            INT4 | OID | FLOAT4 | DATE => 4,
            INT8 | FLOAT8 | TIMESTAMP | TIMESTAMPTZ => 8,
            UUID => 16,
            _ => -1,
        }
    }
}

impl Statement {
    /// Parses a text of one statement, with the types given for its parameters.
    pub(super) fn prepare(text: &str, types: &[u32]) -> Result<Self, Refusal> {
        let Scanned { statements, parameters } = sql::scan(text);
        let action = match statements.as_slice() {
            [] => Action::Nothing,
            [statement] => Action::of(statement)?,
            _ => {
                let message = "cannot insert multiple commands into a prepared statement";
                return Err(Refusal::error("42601", message));
            }
        };
        let count = types.len().max(parameters.into());
        let given = |n: usize| types.get(n).copied().filter(|type_oid| *type_oid != 0).unwrap_or(TEXT);
        Ok(Self { text: text.to_owned(), action, parameters: (0..count).map(given).collect() })
    }

    /// Parses one statement of a script, which has no parameters.
    pub(super) fn of_script(statement: &str) -> Result<Self, Refusal> {
        Ok(Self { text: statement.to_owned(), action: Action::of(statement)?, parameters: Vec::new() })
    }

    /// Returns the columns of the result; `None` if the statement returns no rows.
    pub(super) fn columns(&self) -> Option<Vec<Shown>> {
        match &self.action {
            Action::Echo if !self.parameters.is_empty() => {
                let numbered = self.parameters.iter().zip(1..);
                Some(numbered.map(|(type_oid, n)| Shown::new(format!("p{n}"), *type_oid)).collect())
            }
            Action::Echo | Action::Sleep(_) | Action::Notice(_) | Action::Notify { .. } => {
                Some(vec![Shown::new("sql", TEXT)])
            }
            Action::Rows(_) => Some(vec![Shown::new("n", INT4), Shown::new("word", TEXT)]),
            Action::Nothing | Action::Error { .. } | Action::HangUp | Action::Transaction(_) => None,
        }
    }

    /// Returns the number of rows of the result.
    pub(super) fn rows(&self) -> u32 {
        match &self.action {
            Action::Rows(count) => *count,
            Action::Echo | Action::Sleep(_) | Action::Notice(_) | Action::Notify { .. } => 1,
            Action::Nothing | Action::Error { .. } | Action::HangUp | Action::Transaction(_) => 0,
        }
    }
}

impl Action {
    fn of(statement: &str) -> Result<Self, Refusal> {
        if let Some(command) = statement.strip_prefix("echo:") {
            return Self::command(command).ok_or_else(|| {
                let known =
                    "rows N, error SQLSTATE TEXT, sleep MILLISECONDS, notice TEXT, notify CHANNEL TEXT, drop";
                Refusal::error("42601", format!("not understood: \"{statement}\"; echo: knows {known}"))
            });
        }
        Ok(Verb::parse(statement).map_or(Self::Echo, Self::Transaction))
    }

    fn command(command: &str) -> Option<Self> {
        let (name, rest) = first_word(command);
        match name {
            "rows" => Some(Self::Rows(rest.parse().ok().filter(|n| *n <= i32::MAX as u32)?)),
            "error" => {
                let (code, message) = first_word(rest);
                let is_code =
                    code.len() == 5 && code.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
                is_code.then(|| Self::Error { code: code.to_owned(), message: message.to_owned() })
            }
            "sleep" => rest.parse().ok().map(|ms| Self::Sleep(Duration::from_millis(ms))),
            "notice" => Some(Self::Notice(rest.to_owned())),
            "notify" => {
                let (channel, payload) = first_word(rest);
                let notify = Self::Notify { channel: channel.to_owned(), payload: payload.to_owned() };
                (!channel.is_empty()).then_some(notify)
            }
            "drop" => rest.is_empty().then_some(Self::HangUp),
            _ => None,
        }
    }
}

/// Returns the first word, and the text behind the white space that follows.
fn first_word(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (word, rest.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_distinguished_from_texts() {
        let action = |text| Statement::prepare(text, &[]).map(|s| s.action).map_err(|refusal| refusal.code);
        assert_eq!(action("select 1;"), Ok(Action::Echo));
        assert_eq!(action("-- nothing"), Ok(Action::Nothing));
        assert_eq!(action("echo:rows 3"), Ok(Action::Rows(3)));
        assert_eq!(action(" echo:sleep 250 "), Ok(Action::Sleep(Duration::from_millis(250))));
        let error = Action::Error { code: "40001".into(), message: "try  again".into() };
        assert_eq!(action("echo:error 40001 try  again"), Ok(error));
        let notify = |payload: &str| Action::Notify { channel: "news".into(), payload: payload.into() };
        assert_eq!(action("echo:notify news"), Ok(notify("")));
        assert_eq!(action("echo:notify news of today"), Ok(notify("of today")));
        assert_eq!(action("echo:drop"), Ok(Action::HangUp));
        for wrong in [
            "echo:",
            "echo:rows",
            "echo:rows -1",
            "echo:rows 4000000000",
            "echo:error",
            "echo:error 4000",
            "echo:sleep long",
            "echo:notify",
            "echo:drop it",
            "a; b",
        ] {
            assert_eq!(action(wrong), Err("42601".into()), "{wrong}");
        }
    }

    #[test]
    fn a_parameter_has_the_type_that_was_given() {
        let types = |text, given: &[u32]| Statement::prepare(text, given).unwrap().parameters;
        assert_eq!(types("select $2", &[]), [TEXT, TEXT]);
        assert_eq!(types("select $2", &[0, 23]), [TEXT, 23]);
        assert_eq!(types("insert", &[20, 0]), [20, TEXT]);
    }
}
