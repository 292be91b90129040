//! The Rust API: typed parameters and rows over a session.
//!
//! Names and shapes are those of the `postgres` crate, so that programs written for it compile with another type of connection.
//! Parameters are [`ToSql`](postgres_types::ToSql), values [`FromSql`](postgres_types::FromSql), of [`types`](crate::types).
//! Statements are prepared when a connection first runs their text, and kept; results come in binary.
//!
//! ```
//! # fn main() -> holdfast::Result<()> {
//! let pool = holdfast::Pool::echo(holdfast::PoolConfig::new())?;
//! let mut conn = pool.get()?;
//! for row in conn.query("echo:rows 2", &[])? {
//!     let (n, word): (i32, &str) = (row.get("n"), row.get("word"));
//!     assert_eq!(word, format!("row {n}"));
//! }
//! # Ok(()) }
//! ```

mod client_methods;
mod column;
mod copy_in;
mod copy_out;
mod describe;
mod described;
mod generic_client;
mod handle;
mod notifications;
mod params;
mod portal;
mod row;
mod row_index;
mod row_iter;
mod run;
mod simple_query;
mod statement;
mod to_statement;
mod transaction;
mod transaction_builder;
mod types;
mod values;

pub(crate) use client_methods::client_methods;
pub use column::Column;
pub use copy_in::CopyInWriter;
pub use copy_out::CopyOutReader;
pub(crate) use describe::Context;
pub use generic_client::GenericClient;
pub(crate) use generic_client::generic_client;
pub(crate) use generic_client::sealed::Sealed;
pub(crate) use handle::Handle;
pub use notifications::{BlockingIter, Iter, Notifications, TimeoutIter};
pub(crate) use params::Collected;
pub use params::Params;
pub use portal::Portal;
pub use row::Row;
pub use row_index::RowIndex;
pub use row_iter::RowIter;
pub use simple_query::{SimpleColumn, SimpleQueryMessage, SimpleQueryRow};
pub use statement::Statement;
pub use to_statement::ToStatement;
pub use transaction::Transaction;
pub use transaction_builder::TransactionBuilder;
pub(crate) use types::Catalog;
