//! The direct lane: statements, results, streams, COPY and notifications spoken straight on the link, for embedders who
//! need what `postgres::Client` hides: any type as text or binary, command tags, full descriptions of columns, results in
//! one block.
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
