//! The raw session: statements, results, streams, COPY and notifications directly on the link. Everything runs on it. The
//! public items are for embedders who need what [`sql`](crate::sql) hides: any type as text or binary, command tags, full
//! descriptions of columns, results in one block.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use holdfast::session::{Param, ResultFormat};
//!
//! let pool = holdfast::Pool::from_url("postgresql://app@db/orders")?;
//! let mut conn = pool.get()?;
//! let block = conn.raw()?.query("select $1::numeric * 2", &[Param::text("1.50")], ResultFormat::Text)?;
//! assert_eq!(block.cell(0, 0), Some(&b"3.00"[..])); // as the server prints it
//! assert_eq!((block.command_tag(), block.columns()[0].type_oid), ("SELECT 1", 1700));
//! # Ok(()) }
//! ```
//!
//! A raw session and the client alternate freely on one connection. Each exchange begins with the client at rest, ends with
//! `ReadyForQuery`, and hands bytes received beyond that back to the line. Deadlines, interrupts and the tap are the
//! link's, so they apply to both. Statement names begin with `hf_`, the client's with `s`.

mod exchange;
#[cfg(feature = "fuzzing")]
#[path = "../../fuzz/drivers/session/mod.rs"]
pub(crate) mod fuzzing;
mod raw_session;
#[cfg(test)]
mod raw_session_tests;
mod statements;
mod transaction;
mod transfer;

#[cfg(feature = "capi")]
pub(crate) use crate::protocol::command_tag::CommandTag;
#[cfg(feature = "capi")]
pub(crate) use crate::protocol::text_format::float4_as_printed;
pub(crate) use crate::protocol::text_format::oid;
pub use exchange::messages::Notification;
pub(crate) use exchange::reader::parse_server_message;
pub use exchange::request::{Param, Request, ResultFormat};
pub use raw_session::RawSession;
pub(crate) use raw_session::SessionState;
#[cfg(feature = "capi")]
pub(crate) use statements::batch::{Batch, Ready};
pub(crate) use statements::mode::StatementMode;
pub use statements::pipeline::PipelineMode;
pub(crate) use statements::prepared::Prepared;
pub use statements::statement::{Sql, Statement};
pub(crate) use statements::values::{BindValues, Unwritable};
pub(crate) use transaction::Commit;
pub use transaction::{Isolation, TransactionOptions};
pub use transfer::copy::{CopyIn, CopyInCursor, CopyOut, CopyOutCursor};
#[cfg(feature = "capi")]
pub(crate) use transfer::pack;
pub(crate) use transfer::portal::BoundPortal;
pub use transfer::result::{Column, ResultBlock, WireFormat};
pub use transfer::stream::{RowStream, StreamCursor};
