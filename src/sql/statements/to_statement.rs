//! The argument type of methods that run a statement: a text, or a statement prepared before.

use postgres_types::Type;

use super::statement::Statement;

/// A statement as given by the caller.
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
            Self::Statement(statement) => statement.text(),
        }
    }

    /// Returns the types of the first parameters, as given when it was prepared.
    pub(crate) fn declared(self) -> &'a [Type] {
        match self {
            Self::Text(_) => &[],
            Self::Statement(statement) => statement.declared(),
        }
    }
}

mod sealed {
    pub trait Sealed {}
}

/// The types that can be run as a statement: `str`, `String`, and [`Statement`]. A text is prepared when a connection first
/// runs it, and cached there, so preparing explicitly saves nothing; it returns the types of parameters and columns.
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
