//! Statements prepared explicitly.

use std::fmt;
use std::sync::Arc;

use postgres_types::Type;

use super::described::Described;
use crate::sql::rows::column::Column;

/// A statement with the types of its parameters and columns, as [`prepare`](crate::PooledConnection::prepare) made it.
///
/// It belongs to no connection: each connection that runs it prepares it once, and again when necessary. Cheap to clone.
#[derive(Clone)]
pub struct Statement(Arc<Inner>);

struct Inner {
    text: Box<str>,
    /// The types given when it was prepared. With the text they are its key in the cache of a connection.
    declared: Box<[Type]>,
    described: Arc<Described>,
}

impl Statement {
    pub(in crate::sql) fn new(text: &str, declared: &[Type], described: Arc<Described>) -> Self {
        Self(Arc::new(Inner { text: text.into(), declared: declared.into(), described }))
    }

    /// Returns the types of the parameters, as they were when it was prepared.
    pub fn params(&self) -> &[Type] {
        &self.0.described.params
    }

    /// Returns the columns of the result, as they were when it was prepared; none for a statement without rows.
    pub fn columns(&self) -> &[Column] {
        &self.0.described.columns
    }

    pub(in crate::sql) fn text(&self) -> &str {
        &self.0.text
    }

    pub(in crate::sql) fn declared(&self) -> &[Type] {
        &self.0.declared
    }
}

impl fmt::Debug for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Statement")
            .field("text", &self.text())
            .field("params", &self.params())
            .field("columns", &self.columns())
            .finish()
    }
}
