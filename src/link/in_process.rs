//! A server within this process, which takes its end of a socket pair: for pools that need no server.

use std::fmt;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

type Accept = dyn Fn(UnixStream) -> io::Result<()> + Send + Sync;

/// How to reach it. Two are equal if they lead to the same one.
#[derive(Clone)]
pub(crate) struct Inside {
    name: &'static str,
    accept: Arc<Accept>,
}

impl Inside {
    /// `accept` gets the server's end of every connection, and must not block.
    pub(crate) fn new(
        name: &'static str,
        accept: impl Fn(UnixStream) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self { name, accept: Arc::new(accept) }
    }

    /// The client's end of a new connection.
    pub(crate) fn connect(&self) -> io::Result<UnixStream> {
        let (ours, theirs) = UnixStream::pair()?;
        self.accept(theirs)?;
        Ok(ours)
    }

    /// Gives the server its end of a connection.
    pub(crate) fn accept(&self, theirs: UnixStream) -> io::Result<()> {
        (self.accept)(theirs)
    }

    /// What stands where other servers have host and port.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }
}

impl PartialEq for Inside {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.accept, &other.accept)
    }
}

impl Eq for Inside {}

impl fmt::Debug for Inside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Inside").field(&self.name).finish()
    }
}
