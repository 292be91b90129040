//! The typed description of a statement: its parameters and columns with their types looked up.

use std::sync::Arc;

use postgres_types::Type;

use crate::session;
use crate::sql::rows::column::Column;
use crate::sql::types::Catalog;

/// The parameters and columns of a statement. Made once when it is prepared, and shared by its rows.
#[derive(Debug)]
pub(crate) struct Described {
    pub(in crate::sql) params: Box<[Type]>,
    pub(in crate::sql) columns: Box<[Column]>,
    /// The catalog that types of the user's own were taken from, and its epoch then; `None` where all types are built in.
    own_types: Option<(Arc<Catalog>, u64)>,
}

impl Described {
    pub(in crate::sql) fn new(
        params: Box<[Type]>,
        columns: Box<[Column]>,
        own_types: Option<(Arc<Catalog>, u64)>,
    ) -> Self {
        Self { params, columns, own_types }
    }

    /// Whether it describes a result with these columns.
    pub(in crate::sql) fn fits(&self, columns: &[session::Column]) -> bool {
        self.columns.len() == columns.len()
            && self.columns.iter().zip(columns).all(|(known, column)| known.is_of(column))
    }

    /// Whether nothing was forgotten of the types since it was made.
    #[inline]
    pub(in crate::sql) fn is_current(&self) -> bool {
        self.own_types.as_ref().is_none_or(|(catalog, epoch)| catalog.epoch() == *epoch)
    }

    /// Whether some of the types are the user's own.
    pub(in crate::sql) fn has_own_types(&self) -> bool {
        self.own_types.is_some()
    }

    /// The types of the user's own may have changed since they were looked up: statements that use them look them up again.
    /// Does nothing where there are none, or where that has happened already.
    pub(in crate::sql) fn forget_own_types(&self) {
        if let Some((catalog, epoch)) = &self.own_types {
            catalog.forget_all(*epoch);
        }
    }
}
