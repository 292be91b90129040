//! What stands for connections.

pub(crate) mod server_connection;
