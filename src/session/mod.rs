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

mod block;
mod bound;
#[cfg(feature = "capi")]
mod burst;
mod copy;
mod description;
mod exchange;
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
mod request;
mod script;
mod standing;
mod statement;
mod statements;
mod stream;
mod tag;
pub(crate) mod text_form;
mod transaction;
mod unanswered;
mod values;
mod wire;

pub use block::{Column, ResultBlock, WireFormat};
#[cfg(feature = "capi")]
pub(crate) use burst::{Burst, Ready};
pub use copy::{CopyIn, CopyInCursor, CopyOut, CopyOutCursor};
pub use lane::Lane;
pub(crate) use lane::LaneState;
pub use messages::Notification;
pub(crate) use mode::StatementMode;
pub use pipeline::PipelineMode;
pub(crate) use portal::BoundPortal;
pub(crate) use prepared::Prepared;
pub use request::{Param, Request, ResultFormat};
pub use statement::{Sql, Statement};
pub use stream::{RowStream, StreamCursor};
#[cfg(feature = "capi")]
pub(crate) use tag::Tag;
#[cfg(feature = "capi")]
pub(crate) use text_form::float4_as_printed;
pub(crate) use text_form::oid;
pub(crate) use transaction::Commit;
pub use transaction::{Isolation, TransactionOptions};
pub(crate) use values::{BindValues, Unwritable};
pub(crate) use wire::parse_server_message;
