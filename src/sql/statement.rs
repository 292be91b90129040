//! Statements prepared by hand.

use std::fmt;
use std::sync::Arc;

use postgres_types::Type;

use super::column::Column;
use super::described::Described;
use crate::session;

/// A statement with the types of its parameters and columns, as [`prepare`](crate::PooledConnection::prepare) made it.
///
/// It belongs to no connection: each that runs it prepares it for itself, once, and again when it has to. Cheap to clone.
#[derive(Clone)]
pub struct Statement {
    prepared: session::Statement,
    described: Arc<Described>,
}

impl Statement {
    pub(super) fn new(prepared: session::Statement, described: Arc<Described>) -> Self {
        Self { prepared, described }
    }

    /// The types of its parameters, as they were when it was prepared.
    pub fn params(&self) -> &[Type] {
        &self.described.params
    }

    /// The columns of its result, as they were when it was prepared; none for what returns no rows.
    pub fn columns(&self) -> &[Column] {
        &self.described.columns
    }

    pub(super) fn prepared(&self) -> &session::Statement {
        &self.prepared
    }
}

impl fmt::Debug for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Statement")
            .field("text", &self.prepared.text())
            .field("params", &self.params())
            .field("columns", &self.columns())
            .finish()
    }
}
