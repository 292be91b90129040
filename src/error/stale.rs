//! The decision whether a prepared statement is stale. No other place makes it.
//!
//! It concerns errors that came before `BindComplete`: the server had not begun to run anything. SQLSTATE, severity and
//! routine decide, never the message, which servers translate (`lc_messages`).

use std::error::Error as StdError;
use std::fmt;

use super::{Error, ServerMessage, find_source, sqlstate};

/// The conclusion from an error of `Bind` about the statement that was to be bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Staleness {
    /// The statement is not stale: prepared anew, it would fail again.
    Fits,
    /// The values did not match the parameter types that the server chose when the statement was prepared. The types
    /// may have changed since, so it is described anew before its next run; or the values are wrong.
    Suspect,
    /// The statement may work when prepared anew.
    Outdated,
    /// The server does not have the statement, and probably none of the others either.
    Unknown,
}

impl Staleness {
    /// Decides for a statement that was described some time ago and failed before its `BindComplete`.
    pub(crate) fn of(said: &ServerMessage) -> Self {
        if said.severity != "ERROR" {
            return Self::Fits;
        }
        match said.sqlstate.code() {
            sqlstate::INVALID_SQL_STATEMENT_NAME => Self::Unknown,
            // The columns of its result changed (`plancache.c`). A server that reports no routine gets the benefit of
            // the doubt.
            sqlstate::FEATURE_NOT_SUPPORTED
                if said.routine.as_deref().is_none_or(|r| r == "RevalidateCachedQuery") =>
            {
                Self::Outdated
            }
            // "cache lookup failed for type ...", "could not open relation with OID ...": what it refers to is gone.
            sqlstate::INTERNAL_ERROR => Self::Outdated,
            // The number of parameters or result formats under this name has changed since the description.
            sqlstate::PROTOCOL_VIOLATION => Self::Outdated,
            // Permission is checked at each bind, and would be missing again.
            sqlstate::INSUFFICIENT_PRIVILEGE => Self::Fits,
            // After a change of tables, types, functions or `search_path` the text cannot be analysed any more.
            code if code.starts_with("42") => Self::Outdated,
            code if code.starts_with("22") => Self::Suspect,
            _ => Self::Fits,
        }
    }

    /// Returns whether preparing the statement anew may help.
    pub(crate) fn is_stale(self) -> bool {
        matches!(self, Self::Outdated | Self::Unknown)
    }
}

/// Returns whether the server reports that a name just closed is taken: the close reached another server session.
pub(crate) fn is_duplicate_name(error: &Error) -> bool {
    error.server().is_some_and(|said| {
        said.severity == "ERROR" && said.sqlstate.code() == sqlstate::DUPLICATE_PREPARED_STATEMENT
    })
}

/// Returns whether the server reports that there is no statement of this name.
pub(crate) fn is_unknown_name(error: &Error) -> bool {
    error.server().is_some_and(|said| {
        said.severity == "ERROR" && said.sqlstate.code() == sqlstate::INVALID_SQL_STATEMENT_NAME
    })
}

/// The mark behind the error of a stale statement that could not be run again in place.
#[derive(Debug)]
struct StaleStatement;

impl fmt::Display for StaleStatement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the statement no longer fits what it was prepared for")
    }
}

impl StdError for StaleStatement {}

impl Error {
    /// Marks the error of a statement that was found stale before anything of it ran. It is prepared anew at its next
    /// run. `in_transaction`: the transaction has failed with it.
    pub(crate) fn of_stale_statement(self, in_transaction: bool) -> Self {
        let note = if in_transaction {
            "the prepared statement was stale: what it depends on has changed since it was prepared; nothing of it ran, but \
             the transaction has failed: roll it back and run it again"
        } else {
            "the prepared statement was stale: what it depends on has changed since it was prepared; nothing of it ran, and \
             it is prepared anew when it is run again"
        };
        self.with_note(note.to_owned()).set_retryable(true).with_source(StaleStatement)
    }

    /// Returns whether this is the error of a stale statement, of which nothing ran.
    pub(crate) fn is_of_stale_statement(&self) -> bool {
        find_source::<StaleStatement>(self).is_some()
    }
}

#[cfg(test)]
mod tests {
    use postgres::error::SqlState;

    use super::*;
    use crate::error::Phase;

    fn said(severity: &str, code: &str, routine: Option<&str>, message: &str) -> ServerMessage {
        let mut said = ServerMessage::new(severity, SqlState::from_code(code), message);
        said.routine = routine.map(str::to_owned);
        said
    }

    #[test]
    fn a_stale_statement_is_told_by_code_and_routine_whatever_the_servers_language() {
        for (code, routine, is) in [
            ("0A000", Some("RevalidateCachedQuery"), Staleness::Outdated),
            ("0A000", Some("transformLockingClause"), Staleness::Fits),
            ("0A000", None, Staleness::Outdated),
            ("26000", Some("FetchPreparedStatement"), Staleness::Unknown),
            ("XX000", Some("get_typdefault"), Staleness::Outdated),
            ("42703", None, Staleness::Outdated),
            ("42883", None, Staleness::Outdated),
            ("42P01", None, Staleness::Outdated),
            ("42501", None, Staleness::Fits),
            ("22P02", None, Staleness::Suspect),
            ("57014", None, Staleness::Fits),
            ("53200", None, Staleness::Fits),
            ("55P03", None, Staleness::Fits),
        ] {
            let german = "zwischengespeicherter Plan darf den Ergebnistyp nicht ändern";
            assert_eq!(Staleness::of(&said("ERROR", code, routine, german)), is, "{code} of {routine:?}");
            assert_eq!(Staleness::of(&said("FATAL", code, routine, german)), Staleness::Fits, "{code}");
        }
    }

    #[test]
    fn the_error_of_a_stale_statement_says_what_to_do_and_is_retryable() {
        let error = Error::from_server(said("ERROR", "42703", None, "no"), Phase::Query);
        assert!(!error.is_retryable() && !error.is_of_stale_statement());
        let error = error.of_stale_statement(true);
        assert!(error.is_retryable() && error.is_of_stale_statement());
        assert!(error.to_string().contains("roll it back and run it again"), "{error}");
        assert_eq!(error.sqlstate().unwrap().code(), "42703");
    }
}
