//! The scenes: outages made for real on a private server, which a pool as it usually comes does not get through.

mod frozen;
mod leaked_transaction;
mod restart;
mod server_full;

pub(super) use frozen::frozen;
pub(super) use leaked_transaction::leaked_transaction;
pub(super) use restart::restart;
pub(super) use server_full::server_full;
