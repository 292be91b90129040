//! The typed description of a statement: its parameters and columns with their types looked up.

use std::sync::Arc;

use postgres_types::Type;

use crate::session::{self, ResultBlock};
use crate::sql::rows::column::Column;
use crate::sql::types::{Catalog, is_outdated};

/// The parameters and columns of a statement, made once when it is prepared, and shared by its rows.
#[derive(Debug)]
pub(crate) struct Described {
    pub(in crate::sql) params: Box<[Type]>,
    pub(in crate::sql) columns: Box<[Column]>,
    /// The catalog of the user-defined types, and its epoch when they were taken; `None` where all types are built in.
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

    /// Returns whether it describes a result with these columns.
    pub(in crate::sql) fn fits(&self, columns: &[session::Column]) -> bool {
        self.columns.len() == columns.len()
            && self.columns.iter().zip(columns).all(|(known, column)| known.was_made_from(column))
    }

    /// Returns whether its types are still in the catalog.
    #[inline]
    pub(in crate::sql) fn is_current(&self) -> bool {
        self.own_types.as_ref().is_none_or(|(catalog, epoch)| catalog.epoch() == *epoch)
    }

    /// Returns whether some of the types are user-defined.
    pub(in crate::sql) fn has_own_types(&self) -> bool {
        self.own_types.is_some()
    }

    /// Returns whether values of a result show that user-defined types were altered since they were looked up.
    pub(in crate::sql) fn shows_altered_types(&self, block: &ResultBlock) -> bool {
        self.has_own_types() && self.own_columns().any(|(column, type_)| is_outdated_in(block, column, type_))
    }

    fn own_columns(&self) -> impl Iterator<Item = (usize, &Type)> {
        let types = self.columns.iter().map(Column::type_).enumerate();
        types.filter(|(_, type_)| Type::from_oid(type_.oid()).is_none())
    }

    /// Clears the catalog when user-defined types may have changed, so that statements that use them look them up again. Does
    /// nothing where there are none, or where the catalog was cleared already.
    pub(in crate::sql) fn forget_own_types(&self) {
        if let Some((catalog, epoch)) = &self.own_types {
            catalog.forget_all(*epoch);
        }
    }
}

fn is_outdated_in(block: &ResultBlock, column: usize, type_: &Type) -> bool {
    (0..block.rows()).any(|row| block.cell(row, column).is_some_and(|value| is_outdated(type_, value)))
}
