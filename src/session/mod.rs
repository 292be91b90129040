//! The direct lane: statements, results, streams, COPY and notifications spoken straight on the link, for embedders who
//! need what `postgres::Client` hides: any type as text or binary, command tags, full descriptions of columns, results in
//! one block.
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
//! link's, so they hold here as they do there. Statement names begin with `h`, the client's with `s`.

mod block;
mod copy;
mod exchange;
mod lane;
mod pipeline;
mod request;
mod statements;
mod stream;
mod wire;

pub use block::{Column, ResultBlock, WireFormat};
pub use copy::{CopyIn, CopyOut};
pub(crate) use lane::LaneState;
pub use lane::{Lane, Notification};
pub use request::{Param, Request, ResultFormat};
pub use stream::RowStream;
