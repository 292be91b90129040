//! Statements prepared for use on any connection, and the argument type of calls that run a text or such a statement.

use std::sync::Arc;

use super::values::BindValues;
use crate::error::{Error, Phase, Result};
use crate::session::exchange::request::Param;
use crate::session::transfer::result::Column;

/// A statement and its description, as [`RawSession::prepare`](crate::session::RawSession::prepare) made it. It belongs to no
/// connection and no pool: each connection prepares it at its first use there, and again when necessary. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Statement(Arc<Described>);

#[derive(Debug)]
struct Described {
    text: Box<str>,
    parameters: Box<[u32]>,
    columns: Arc<[Column]>,
    /// The key under which connections cache it.
    key: Arc<[u8]>,
}

impl Statement {
    pub(in crate::session) fn new(text: &str, parameters: &[u32], columns: Arc<[Column]>) -> Self {
        let key = key_of(text, parameters);
        Self(Arc::new(Described { text: text.into(), parameters: parameters.into(), columns, key }))
    }

    pub(in crate::session) fn key(&self) -> &Arc<[u8]> {
        &self.0.key
    }

    /// Returns the text.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// Returns the types of the parameters, as in `pg_type`: those given, and those that the server inferred when the statement
    /// was prepared. They apply on every connection.
    ///
    /// ```
    /// # let mut conn = holdfast::Pool::echo(holdfast::PoolConfig::new())?.get()?;
    /// let statement = conn.raw()?.prepare("select $1::int4", &[])?;
    /// assert_eq!(statement.parameters().len(), 1);
    /// # Ok::<(), holdfast::Error>(())
    /// ```
    pub fn parameters(&self) -> &[u32] {
        &self.0.parameters
    }

    /// Returns the columns of the result, as they were when it was prepared; none for a statement without rows. Results carry
    /// their own description, which differs once a table has changed.
    pub fn columns(&self) -> &[Column] {
        &self.0.columns
    }

    /// Returns the first parameter whose declared type is neither 0 nor the statement's.
    pub(crate) fn first_of_another_type(&self, declared: impl Iterator<Item = u32>) -> Option<usize> {
        declared.zip(self.parameters()).position(|(declared, known)| declared != 0 && declared != *known)
    }
}

/// The statement that a call runs: a text, or one prepared before.
#[derive(Debug, Clone, Copy)]
pub enum Sql<'a> {
    /// A single statement. Cached by its text and the types of its parameters.
    Text(&'a str),
    /// A statement prepared before, on this connection or another.
    Statement(&'a Statement),
}

impl<'a> From<&'a str> for Sql<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a String> for Sql<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a Statement> for Sql<'a> {
    fn from(statement: &'a Statement) -> Self {
        Self::Statement(statement)
    }
}

impl<'a> Sql<'a> {
    pub(in crate::session) fn text(self) -> &'a str {
        match self {
            Self::Text(text) => text,
            Self::Statement(statement) => statement.text(),
        }
    }

    /// Returns the types to parse it with, 0 for those that the server has to infer.
    pub(in crate::session) fn types<V: BindValues + ?Sized>(self, values: &V) -> Vec<u32> {
        match self {
            Self::Text(_) => declared(values).collect(),
            Self::Statement(statement) => statement.parameters().to_vec(),
        }
    }

    /// Returns the key in a connection's cache; written into `room` if necessary.
    #[inline]
    pub(in crate::session) fn key<'k, V: BindValues + ?Sized>(
        self,
        values: &V,
        room: &'k mut Vec<u8>,
    ) -> &'k [u8]
    where
        'a: 'k,
    {
        match self {
            Self::Text(text) => {
                room.clear();
                write_key(text, declared(values), room);
                room
            }
            Self::Statement(statement) => &statement.0.key,
        }
    }

    /// Fails if the values do not match the statement.
    #[inline]
    pub(in crate::session) fn check<V: BindValues + ?Sized>(self, values: &V) -> Result<()> {
        let Self::Statement(statement) = self else { return Ok(()) };
        check_count(statement.parameters().len(), values.len())?;
        match statement.first_of_another_type((0..values.len()).map(|index| values.declared(index))) {
            None => Ok(()),
            Some(index) => {
                let (given, known) = (values.declared(index), statement.parameters()[index]);
                Err(Error::misuse(format!(
                    "parameter ${} of the statement is of type {known}, but one of type {given} was given",
                    index + 1
                ))
                .in_phase(Phase::Query))
            }
        }
    }

    /// Returns whether both certainly have the same key; a cheap check, whose `false` is inconclusive.
    pub(in crate::session) fn is_certainly_same(
        self,
        params: &[Param<'_>],
        other: Sql<'_>,
        others: &[Param<'_>],
    ) -> bool {
        match (self, other) {
            (Self::Text(a), Sql::Text(b)) => {
                let types = |params: &[Param<'_>], others: &[Param<'_>]| {
                    params.iter().map(|p| p.type_oid).eq(others.iter().map(|p| p.type_oid))
                };
                (std::ptr::eq(a, b) || a == b) && types(params, others)
            }
            (Self::Statement(a), Sql::Statement(b)) => Arc::ptr_eq(&a.0, &b.0),
            _ => false,
        }
    }
}

/// Returns the declared types up to the last that is not 0. A parameter without a type that the text does not use is a separate
/// error (42P18), less helpful than the one about their number.
#[inline]
fn declared<V: BindValues + ?Sized>(values: &V) -> impl Iterator<Item = u32> {
    let count = (0..values.len()).rposition(|index| values.declared(index) != 0).map_or(0, |last| last + 1);
    (0..count).map(|index| values.declared(index))
}

/// Returns the key of a text with these types declared.
pub(in crate::session) fn key_of(text: &str, types: &[u32]) -> Arc<[u8]> {
    let mut key = Vec::new();
    write_key(text, types.iter().copied(), &mut key);
    key.into()
}

/// Writes a key: the text, which holds no NUL, then a NUL, then the types.
fn write_key(text: &str, types: impl Iterator<Item = u32>, key: &mut Vec<u8>) {
    key.extend_from_slice(text.as_bytes());
    key.push(0);
    for type_oid in types {
        key.extend_from_slice(&type_oid.to_be_bytes());
    }
}

pub(in crate::session) fn check_count(wanted: usize, given: usize) -> Result<()> {
    if wanted == given {
        return Ok(());
    }
    Err(Error::wrong_parameter_count(wanted, given))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(type_oid: u32) -> Param<'static> {
        Param { type_oid, ..Param::text("1") }
    }

    #[test]
    fn the_same_text_with_other_types_is_another_statement() {
        let key = |sql: Sql<'_>, params: &[Param<'_>]| sql.key(params, &mut Vec::new()).to_vec();
        let text = Sql::from("select $1");
        assert_eq!(key(text, &[typed(23)]), key(text, &[typed(23)]));
        assert_ne!(key(text, &[typed(23)]), key(text, &[typed(25)]));
        assert_ne!(key(text, &[typed(0), typed(23)]), key(text, &[typed(23)]));
        assert_eq!(
            key(text, &[typed(23), typed(0)]),
            key(text, &[typed(23)]),
            "the server finds out how many there are"
        );
        let statement = Statement::new("select $1", &[23], [].into());
        assert_eq!(key(Sql::from(&statement), &[typed(0)]), key(text, &[typed(23)]));
    }

    #[test]
    fn what_is_surely_the_same_has_the_same_key() {
        let other = String::from("select $1");
        let text = Sql::from("select $1");
        assert!(text.is_certainly_same(&[typed(23)], Sql::from(&other), &[typed(23)]));
        assert!(!text.is_certainly_same(&[typed(23)], Sql::from(&other), &[typed(20)]));
        assert!(!text.is_certainly_same(&[], Sql::from("select $2"), &[]));
    }
}
