//! The stand-ins for connections.

pub(crate) mod server_connection;
