//! Tables and columns that have to be there.

use std::fmt;
use std::str::FromStr;

use holdfast::Error;

/// A table or column that has to be there: `table`, `table.column` or `schema.table.column`; a name in double quotes is taken
/// as it stands, others are lower case, as in SQL.
///
/// ```
/// let expected: holdfast_cli::diagnose::Expectation = "orders.customer_id".parse().unwrap();
/// assert_eq!(expected.to_string(), "orders.customer_id");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    pub(super) schema: Option<String>,
    pub(super) table: String,
    pub(super) column: Option<String>,
    text: String,
}

impl FromStr for Expectation {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parts = parts(text).filter(|parts| parts.iter().all(|part| !part.is_empty()));
        let mut parts = parts.unwrap_or_default().into_iter();
        let named = (parts.next(), parts.next(), parts.next(), parts.next());
        let (schema, table, column) = match named {
            (Some(table), column, None, None) => (None, table, column),
            (Some(schema), Some(table), column, None) => (Some(schema), table, column),
            _ => {
                return Err(Error::config(format!(
                    "{text:?} names no table or column: write table, table.column or schema.table.column"
                )));
            }
        };
        Ok(Self { schema, table, column, text: text.to_owned() })
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// `None` when a quote is left open, or something stands behind a closed one.
fn parts(text: &str) -> Option<Vec<String>> {
    let (mut parts, mut chars) = (vec![String::new()], text.chars().peekable());
    while let Some(c) = chars.next() {
        match c {
            '.' => parts.push(String::new()),
            '"' => loop {
                match chars.next()? {
                    '"' if chars.peek() == Some(&'"') => parts.last_mut()?.push(chars.next()?),
                    '"' => break,
                    other => parts.last_mut()?.push(other),
                }
            },
            other => parts.last_mut()?.extend(other.to_lowercase()),
        }
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Option<String>, String, Option<String>) {
        let read: Expectation = text.parse().unwrap();
        (read.schema, read.table, read.column)
    }

    #[test]
    fn names_are_read_as_sql_reads_them() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(read("Orders"), (None, "orders".into(), None));
        assert_eq!(read("orders.Id"), (None, "orders".into(), some("id")));
        assert_eq!(read("shop.orders.id"), (some("shop"), "orders".into(), some("id")));
        assert_eq!(read("\"Odd.\"\"Name\"\"\".id"), (None, "Odd.\"Name\"".into(), some("id")));
        for wrong in ["", ".", "a.", ".a", "a.b.c.d", "\"open"] {
            let error = wrong.parse::<Expectation>().unwrap_err();
            assert!(error.to_string().contains("schema.table.column"), "{error}");
        }
    }
}
