//! The cluster behind a connection.

/// The cluster, as far as the connection's role may know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::pool) enum Origin {
    /// The cluster with this system identifier.
    System(String),
    /// A cluster that does not let this role read its history.
    Hidden,
}
