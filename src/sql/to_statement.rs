//! What can be run as a statement: a text, or a statement prepared before.

use super::statement::Statement;
use crate::session::Sql;

/// A statement as it was given.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    Text(&'a str),
    Statement(&'a Statement),
}

impl<'a> Source<'a> {
    pub(crate) fn text(self) -> &'a str {
        match self {
            Self::Text(text) => text,
            Self::Statement(statement) => statement.prepared().text(),
        }
    }

    /// As the session takes it.
    pub(crate) fn sql(self) -> Sql<'a> {
        match self {
            Self::Text(text) => Sql::Text(text),
            Self::Statement(statement) => Sql::Statement(statement.prepared()),
        }
    }
}

mod sealed {
    pub trait Sealed {}
}

/// What can be run as a statement: `str`, `String`, and [`Statement`]. A text is prepared when a connection first runs it, and
/// kept there; so preparing by hand saves nothing, and tells the types of parameters and columns.
pub trait ToStatement: sealed::Sealed {
    #[doc(hidden)]
    fn __convert(&self) -> Source<'_>;
}

impl sealed::Sealed for str {}

impl ToStatement for str {
    fn __convert(&self) -> Source<'_> {
        Source::Text(self)
    }
}

impl sealed::Sealed for String {}

impl ToStatement for String {
    fn __convert(&self) -> Source<'_> {
        Source::Text(self)
    }
}

impl sealed::Sealed for Statement {}

impl ToStatement for Statement {
    fn __convert(&self) -> Source<'_> {
        Source::Statement(self)
    }
}
