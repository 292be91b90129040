//! Transactions and savepoints as guards, and the builder of a transaction with its own modes.

pub(super) mod builder;
pub(super) mod transaction;
