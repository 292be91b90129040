//! Transactions from the client's view: a status, savepoints, and the rules for refusing statements.

use super::statement::Action;
use super::wire::Refusal;

/// A statement that begins, divides or ends a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verb {
    /// With the word it began with, which is the tag.
    Begin(&'static str),
    Commit,
    Rollback,
    Savepoint(String),
    Release(String),
    RollbackTo(String),
}

impl Verb {
    /// Parses a statement; `None` if it is none of these.
    pub(super) fn parse(statement: &str) -> Option<Self> {
        let (verb, rest) = split_word(statement)?;
        match verb.to_ascii_uppercase().as_str() {
            "BEGIN" => Some(Self::Begin("BEGIN")),
            "START" => skip(rest, &["TRANSACTION"]).map(|_| Self::Begin("START TRANSACTION")),
            "COMMIT" | "END" => skip_noise(rest).is_empty().then_some(Self::Commit),
            "ABORT" => skip_noise(rest).is_empty().then_some(Self::Rollback),
            "ROLLBACK" => match skip(skip_noise(rest), &["TO"]) {
                Some(rest) => name(skip(rest, &["SAVEPOINT"]).unwrap_or(rest)).map(Self::RollbackTo),
                None => skip_noise(rest).is_empty().then_some(Self::Rollback),
            },
            "SAVEPOINT" => name(rest).map(Self::Savepoint),
            "RELEASE" => name(skip(rest, &["SAVEPOINT"]).unwrap_or(rest)).map(Self::Release),
            _ => None,
        }
    }
}

/// Returns the first word, and the rest behind it.
fn split_word(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    (end > 0).then(|| (&text[..end], text[end..].trim_start()))
}

/// Returns the text behind one of these words, if it begins with one.
fn skip<'a>(text: &'a str, words: &[&str]) -> Option<&'a str> {
    let (word, rest) = split_word(text)?;
    words.iter().any(|wanted| wanted.eq_ignore_ascii_case(word)).then_some(rest)
}

fn skip_noise(text: &str) -> &str {
    skip(text, &["WORK", "TRANSACTION"]).unwrap_or(text)
}

/// Parses a name with nothing behind it. Unquoted names are folded to lower case.
fn name(text: &str) -> Option<String> {
    match text.strip_prefix('"') {
        Some(quoted) => {
            let inner = quoted.strip_suffix('"')?;
            // A quote within is written twice.
            let name = inner.replace("\"\"", "\u{0}");
            (!name.contains('"')).then(|| name.replace('\u{0}', "\""))
        }
        None => {
            let plain =
                !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '$'));
            plain.then(|| text.to_lowercase())
        }
    }
}

/// The reply to a transaction statement.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) tag: &'static str,
    /// The SQLSTATE and text of a warning.
    pub(super) warning: Option<(&'static str, &'static str)>,
}

impl Answer {
    fn plain(tag: &'static str) -> Self {
        Self { tag, warning: None }
    }
}

/// The transaction of one session.
#[derive(Default)]
pub(super) struct Transaction {
    status: Status,
    savepoints: Vec<String>,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Status {
    #[default]
    Idle,
    Open,
    Failed,
}

impl Transaction {
    /// Returns the status as `ReadyForQuery` reports it.
    pub(super) fn letter(&self) -> u8 {
        match self.status {
            Status::Idle => b'I',
            Status::Open => b'T',
            Status::Failed => b'E',
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.status == Status::Idle
    }

    /// Records that a statement was refused.
    pub(super) fn fail(&mut self) {
        if self.status == Status::Open {
            self.status = Status::Failed;
        }
    }

    /// Checks that a statement may run now.
    pub(super) fn admit(&self, action: &Action) -> Result<(), Refusal> {
        use Action::Transaction as Run;
        let ends_it = matches!(action, Run(Verb::Commit | Verb::Rollback | Verb::RollbackTo(_)));
        if self.status == Status::Failed && !ends_it {
            let message = "current transaction is aborted, commands ignored until end of transaction block";
            return Err(Refusal::error("25P02", message));
        }
        Ok(())
    }

    pub(super) fn run(&mut self, verb: &Verb) -> Result<Answer, Refusal> {
        match verb {
            Verb::Begin(tag) if self.is_idle() => {
                self.status = Status::Open;
                Ok(Answer::plain(tag))
            }
            Verb::Begin(tag) => {
                Ok(Answer { tag, warning: Some(("25001", "there is already a transaction in progress")) })
            }
            Verb::Commit | Verb::Rollback if self.is_idle() => {
                let tag = if *verb == Verb::Commit { "COMMIT" } else { "ROLLBACK" };
                Ok(Answer { tag, warning: Some(("25P01", "there is no transaction in progress")) })
            }
            Verb::Commit => Ok(Answer::plain(if self.end() == Status::Open { "COMMIT" } else { "ROLLBACK" })),
            Verb::Rollback => {
                self.end();
                Ok(Answer::plain("ROLLBACK"))
            }
            Verb::Savepoint(name) => {
                self.must_be_open("SAVEPOINT")?;
                self.savepoints.push(name.clone());
                Ok(Answer::plain("SAVEPOINT"))
            }
            Verb::Release(name) => {
                self.must_be_open("RELEASE SAVEPOINT")?;
                let at = self.find(name)?;
                self.savepoints.truncate(at);
                Ok(Answer::plain("RELEASE"))
            }
            Verb::RollbackTo(name) => {
                self.must_be_open("ROLLBACK TO SAVEPOINT")?;
                let at = self.find(name)?;
                self.savepoints.truncate(at + 1);
                self.status = Status::Open;
                Ok(Answer::plain("ROLLBACK"))
            }
        }
    }

    /// Ends the transaction and returns its status before.
    fn end(&mut self) -> Status {
        self.savepoints.clear();
        std::mem::take(&mut self.status)
    }

    fn must_be_open(&self, what: &str) -> Result<(), Refusal> {
        if self.is_idle() {
            return Err(Refusal::error("25P01", format!("{what} can only be used in transaction blocks")));
        }
        Ok(())
    }

    fn find(&self, name: &str) -> Result<usize, Refusal> {
        let found = self.savepoints.iter().rposition(|own| own == name);
        found.ok_or_else(|| Refusal::error("3B001", format!("savepoint \"{name}\" does not exist")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs statements as a session does. Returns the tag or SQLSTATE of each, and the status after it.
    fn outcomes(statements: &[&str]) -> Vec<String> {
        let mut transaction = Transaction::default();
        let mut told = Vec::new();
        for statement in statements {
            let action = Verb::parse(statement).map_or(Action::Echo, Action::Transaction);
            let answer = transaction.admit(&action).and_then(|()| match &action {
                Action::Transaction(verb) => transaction.run(verb).map(|answer| answer.tag),
                _ => Err(Refusal::error("XX000", "an error")),
            });
            let said = answer.map_or_else(
                |refusal| {
                    transaction.fail();
                    refusal.code
                },
                str::to_owned,
            );
            told.push(format!("{said} {}", char::from(transaction.letter())));
        }
        told
    }

    #[test]
    fn a_failed_transaction_accepts_only_its_end() {
        assert_eq!(
            outcomes(&["begin", "wrong", "savepoint a", "commit", "wrong"]),
            ["BEGIN T", "XX000 E", "25P02 E", "ROLLBACK I", "XX000 I"]
        );
    }

    #[test]
    fn a_savepoint_brings_a_failed_transaction_back() {
        assert_eq!(
            outcomes(&[
                "START TRANSACTION READ ONLY",
                "savepoint A",
                "savepoint b",
                "wrong",
                "rollback to savepoint a",
                "release b",
                "rollback work to \"a\"",
                "release savepoint a",
                "commit work",
            ]),
            [
                "START TRANSACTION T",
                "SAVEPOINT T",
                "SAVEPOINT T",
                "XX000 E",
                "ROLLBACK T",
                "3B001 E",
                "ROLLBACK T",
                "RELEASE T",
                "COMMIT I",
            ]
        );
    }

    #[test]
    fn names_may_be_quoted() {
        for (statement, name) in [
            ("savepoint \"My \"\"own\"\" point\"", Some("My \"own\" point")),
            ("SAVEPOINT Plain_1", Some("plain_1")),
            ("savepoint a b", None),
            ("savepoint \"a\" b\"", None),
            ("savepoint", None),
        ] {
            assert_eq!(Verb::parse(statement), name.map(|name| Verb::Savepoint(name.into())), "{statement}");
        }
        for other in ["commit prepared 'x'", "rollback and chain", "beginning", "select 1", ""] {
            assert_eq!(Verb::parse(other), None, "{other}");
        }
    }

    #[test]
    fn outside_of_transactions_there_is_nothing_to_end() {
        let mut transaction = Transaction::default();
        assert_eq!(transaction.run(&Verb::Commit).unwrap().warning.unwrap().0, "25P01");
        assert_eq!(transaction.run(&Verb::Savepoint("a".into())).unwrap_err().code, "25P01");
        transaction.run(&Verb::Begin("BEGIN")).unwrap();
        assert_eq!(transaction.run(&Verb::Begin("BEGIN")).unwrap().warning.unwrap().0, "25001");
        assert_eq!(transaction.letter(), b'T');
    }
}
