//! The fields of an `ErrorResponse` or `NoticeResponse`, under the names that `postgres::error::DbError` has for them.

use std::fmt;

use postgres::error::{ErrorPosition, Severity, SqlState};

use super::{Error, ErrorKind};

/// A server's `ErrorResponse` or `NoticeResponse`, with every field the protocol knows ("Error and Notice Message
/// Fields" in PostgreSQL's documentation).
///
/// ```
/// # let pool = holdfast::Pool::echo(holdfast::PoolConfig::new())?;
/// let error = pool.execute("echo:error 23505 there is one already", &[]).unwrap_err();
/// let message = error.server().unwrap();
/// assert_eq!((message.severity(), message.code().code(), message.message()), ("ERROR", "23505", "there is one already"));
/// # Ok::<(), holdfast::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerMessage {
    /// `ERROR`, `FATAL`, `WARNING`, `NOTICE` and so on, not localized.
    pub severity: String,
    /// The code.
    pub sqlstate: SqlState,
    /// The message, in one line.
    pub message: String,
    /// The detail.
    pub detail: Option<String>,
    /// The server's advice.
    pub hint: Option<String>,
    /// The place in the statement, in characters from 1.
    pub position: Option<String>,
    /// The place in `internal_query`, in characters from 1.
    pub internal_position: Option<String>,
    /// The statement the server generated, in a function for instance.
    pub internal_query: Option<String>,
    /// The stack of functions and commands in which it happened.
    pub context: Option<String>,
    /// The schema concerned.
    pub schema: Option<String>,
    /// The table concerned.
    pub table: Option<String>,
    /// The column concerned.
    pub column: Option<String>,
    /// The data type concerned.
    pub data_type: Option<String>,
    /// The constraint violated.
    pub constraint: Option<String>,
    /// The server's source file.
    pub file: Option<String>,
    /// The line there.
    pub line: Option<String>,
    /// The routine there.
    pub routine: Option<String>,
}

impl ServerMessage {
    /// Makes a message with these three fields only.
    pub(crate) fn new(severity: impl Into<String>, sqlstate: SqlState, message: impl Into<String>) -> Self {
        Self {
            severity: severity.into(),
            sqlstate,
            message: message.into(),
            detail: None,
            hint: None,
            position: None,
            internal_position: None,
            internal_query: None,
            context: None,
            schema: None,
            table: None,
            column: None,
            data_type: None,
            constraint: None,
            file: None,
            line: None,
            routine: None,
        }
    }
}

impl ServerMessage {
    /// The severity, not localized: `ERROR`, `FATAL`, `NOTICE` and so on.
    pub fn severity(&self) -> &str {
        &self.severity
    }

    /// The severity as a value; `None` for one that is not known.
    pub fn parsed_severity(&self) -> Option<Severity> {
        Some(match self.severity.as_str() {
            "PANIC" => Severity::Panic,
            "FATAL" => Severity::Fatal,
            "ERROR" => Severity::Error,
            "WARNING" => Severity::Warning,
            "NOTICE" => Severity::Notice,
            "DEBUG" => Severity::Debug,
            "INFO" => Severity::Info,
            "LOG" => Severity::Log,
            _ => return None,
        })
    }

    /// The SQLSTATE.
    pub fn code(&self) -> &SqlState {
        &self.sqlstate
    }

    /// The message, in one line.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The detail.
    pub fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    /// Advice.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The place in the statement, or in one that the server generated.
    pub fn position(&self) -> Option<ErrorPosition> {
        let number = |text: &String| text.parse().ok();
        if let Some(at) = self.position.as_ref().and_then(number) {
            return Some(ErrorPosition::Original(at));
        }
        let position = self.internal_position.as_ref().and_then(number)?;
        let query = self.internal_query.clone().unwrap_or_default();
        Some(ErrorPosition::Internal { position, query })
    }

    /// The context: the stack of functions and commands.
    pub fn where_(&self) -> Option<&str> {
        self.context.as_deref()
    }

    /// The schema concerned.
    pub fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }

    /// The table concerned.
    pub fn table(&self) -> Option<&str> {
        self.table.as_deref()
    }

    /// The column concerned.
    pub fn column(&self) -> Option<&str> {
        self.column.as_deref()
    }

    /// The data type concerned.
    pub fn datatype(&self) -> Option<&str> {
        self.data_type.as_deref()
    }

    /// The constraint violated.
    pub fn constraint(&self) -> Option<&str> {
        self.constraint.as_deref()
    }

    /// The server's source file.
    pub fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }

    /// The line there.
    pub fn line(&self) -> Option<u32> {
        self.line.as_ref().and_then(|line| line.parse().ok())
    }

    /// The routine there.
    pub fn routine(&self) -> Option<&str> {
        self.routine.as_deref()
    }
}

impl fmt::Display for ServerMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.severity, self.message)?;
        if let Some(detail) = &self.detail {
            write!(f, "\nDETAIL: {detail}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\nHINT: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ServerMessage {}

/// The names that `postgres::Error` has.
impl Error {
    /// The same as [`server`](Self::server).
    pub fn as_db_error(&self) -> Option<&ServerMessage> {
        self.server()
    }

    /// The same as [`sqlstate`](Self::sqlstate).
    pub fn code(&self) -> Option<&SqlState> {
        self.sqlstate()
    }

    /// Returns whether the connection has ended.
    pub fn is_closed(&self) -> bool {
        self.kind() == ErrorKind::ConnectionLost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_under_the_names_of_the_drivers_errors() {
        let mut said = ServerMessage::new("ERROR", SqlState::UNIQUE_VIOLATION, "there is one");
        said.constraint = Some("one_only".into());
        said.internal_position = Some("7".into());
        said.internal_query = Some("select 1".into());
        said.line = Some("120".into());
        assert_eq!((said.severity(), said.parsed_severity()), ("ERROR", Some(Severity::Error)));
        assert_eq!((said.code(), said.constraint()), (&SqlState::UNIQUE_VIOLATION, Some("one_only")));
        let internal = ErrorPosition::Internal { position: 7, query: "select 1".into() };
        assert_eq!((said.position(), said.line()), (Some(internal), Some(120)));
        said.position = Some("3".into());
        assert_eq!(said.position(), Some(ErrorPosition::Original(3)));
        assert_eq!(said.to_string(), "ERROR: there is one");
    }
}
