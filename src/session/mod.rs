//! The session: statements, results, streams, COPY and notifications spoken straight on the link. Everything runs on it; what is
//! public here is the raw view, for embedders who need what [`sql`](crate::sql) hides: any type as text or binary, command tags,
//! full descriptions of columns, results in one block.
//!
#![cfg_attr(feature = "embedded", doc = "```")]
#![cfg_attr(not(feature = "embedded"), doc = "```ignore")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let server = holdfast::embedded::EmbeddedPostgres::start()?;
//! # let url = server.url();
//! use holdfast::session::{Param, ResultFormat};
//!
//! let pool = holdfast::Pool::from_url(&url)?;
//! let mut conn = pool.get()?;
//! let block = conn.lane()?.query("select $1::numeric * 2", &[Param::text("1.50")], ResultFormat::Text)?;
//! assert_eq!(block.cell(0, 0), Some(&b"3.00"[..])); // as the server prints it
//! assert_eq!((block.command_tag(), block.columns()[0].type_oid), ("SELECT 1", 1700));
//! # Ok(()) }
//! ```
//!
//! It alternates freely with the client on one connection. Each exchange begins with the client at rest, ends with
//! `ReadyForQuery`, and hands bytes received beyond that back to the line. Deadlines, interrupts and the tap are the
//! link's, so they hold here as they do there. Statement names begin with `hf_`, the client's with `s`.

#[cfg(feature = "capi")]
mod batch;
mod bound;
mod copy;
mod description;
mod exchange;
mod exchange_state;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod lane;
#[cfg(test)]
mod lane_tests;
mod messages;
mod mode;
mod once;
pub(crate) mod pack;
mod pipeline;
mod portal;
mod prepare;
mod prepared;
mod query;
mod reader;
mod request;
mod result;
mod script;
mod statement;
mod statements;
mod stream;
mod transaction;
mod unanswered;
mod values;

#[cfg(feature = "capi")]
pub(crate) use crate::protocol::command_tag::Tag;
#[cfg(feature = "capi")]
pub(crate) use crate::protocol::text_format::float4_as_printed;
pub(crate) use crate::protocol::text_format::oid;
#[cfg(feature = "capi")]
pub(crate) use batch::{Burst, Ready};
pub use copy::{CopyIn, CopyInCursor, CopyOut, CopyOutCursor};
pub use lane::Lane;
pub(crate) use lane::LaneState;
pub use messages::Notification;
pub(crate) use mode::StatementMode;
pub use pipeline::PipelineMode;
pub(crate) use portal::BoundPortal;
pub(crate) use prepared::Prepared;
pub(crate) use reader::parse_server_message;
pub use request::{Param, Request, ResultFormat};
pub use result::{Column, ResultBlock, WireFormat};
pub use statement::{Sql, Statement};
pub use stream::{RowStream, StreamCursor};
pub(crate) use transaction::Commit;
pub use transaction::{Isolation, TransactionOptions};
pub(crate) use values::{BindValues, Unwritable};
