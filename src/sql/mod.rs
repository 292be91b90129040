//! The Rust API: typed parameters and rows over a session.
//!
//! Names and shapes are those of the `postgres` crate, so that programs written for it compile with another type of connection.
//! Parameters are [`ToSql`](postgres_types::ToSql), values [`FromSql`](postgres_types::FromSql), of [`types`](crate::types).
//! Statements are prepared when a connection first runs their text, and cached; results come in binary.
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
mod copy;
mod generic_client;
mod handle;
mod notifications;
mod rows;
mod statements;
mod transactions;
mod types;

pub(crate) use client_methods::client_methods;
pub use copy::copy_in::CopyInWriter;
pub use copy::copy_out::CopyOutReader;
pub use generic_client::GenericClient;
pub(crate) use generic_client::generic_client;
pub(crate) use generic_client::sealed::Sealed;
pub(crate) use handle::Handle;
pub use notifications::{BlockingIter, Iter, Notifications, TimeoutIter};
pub use rows::column::Column;
pub use rows::portal::Portal;
pub use rows::row::Row;
pub use rows::row_index::RowIndex;
pub use rows::row_iter::RowIter;
pub use rows::simple_query::{SimpleColumn, SimpleQueryMessage, SimpleQueryRow};
pub(crate) use statements::describe::Context;
pub(crate) use statements::params::Collected;
pub use statements::params::Params;
pub use statements::statement::Statement;
pub use statements::to_statement::ToStatement;
pub use transactions::builder::TransactionBuilder;
pub use transactions::transaction::Transaction;
pub(crate) use types::Catalog;
