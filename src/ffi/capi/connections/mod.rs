//! Connections that are checked out, and what is done with one as a whole: transactions, messages, cancelling.

pub(super) mod cancel;
pub(super) mod connect;
pub(super) mod connection;
pub(super) mod info;
pub(super) mod message;
pub(super) mod transaction;
