//! The columns of a result, with their types.

use postgres_types::Type;

use crate::session;

/// A column of a statement's result.
#[derive(Debug, Clone)]
pub struct Column {
    name: Box<str>,
    table_oid: Option<u32>,
    column_id: Option<i16>,
    type_modifier: i32,
    type_: Type,
}

impl Column {
    pub(in crate::sql) fn new(described: &session::Column, type_: Type) -> Self {
        Self {
            name: described.name.as_str().into(),
            table_oid: Some(described.table_oid).filter(|oid| *oid != 0),
            column_id: Some(described.column_number).filter(|number| *number != 0),
            type_modifier: described.type_modifier,
            type_,
        }
    }

    /// Returns whether it was made from this description.
    pub(in crate::sql) fn was_made_from(&self, described: &session::Column) -> bool {
        *self.name == *described.name && self.type_.oid() == described.type_oid
    }

    /// The name of the column in this result.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the OID of the column's table, if it is a table's.
    pub fn table_oid(&self) -> Option<u32> {
        self.table_oid
    }

    /// Returns the number of the column in its table, from 1, if it is a table's.
    ///
    /// ```
    /// # let mut conn = holdfast::Pool::echo(holdfast::PoolConfig::new())?.get()?;
    /// let row = conn.query_one("select 7", &[])?;
    /// assert_eq!(row.columns()[0].column_id(), None, "an expression is no table's");
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn column_id(&self) -> Option<i16> {
        self.column_id
    }

    /// Returns the modifier of the type, such as the length of a `varchar(n)`, as in `pg_attribute.atttypmod`; -1 for none.
    pub fn type_modifier(&self) -> i32 {
        self.type_modifier
    }

    /// Returns the type of the column's values.
    pub fn type_(&self) -> &Type {
        &self.type_
    }
}
