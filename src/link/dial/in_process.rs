//! An in-process server address: connecting creates a socket pair and hands one end to `accept`.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use socket2::{Domain, Type};

type Accept = dyn Fn(UnixStream) -> io::Result<()> + Send + Sync;

/// The address of an in-process server. Two are equal if they lead to the same server.
#[derive(Clone)]
pub(crate) struct InProcess {
    name: &'static str,
    accept: Arc<Accept>,
}

impl InProcess {
    /// `accept` gets the server's end of every connection, and must not block.
    pub(crate) fn new(
        name: &'static str,
        accept: impl Fn(UnixStream) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self { name, accept: Arc::new(accept) }
    }

    /// Returns the client's end of a new connection.
    pub(crate) fn connect(&self) -> io::Result<UnixStream> {
        // Of `socket2`, whose sockets never raise SIGPIPE, on no system.
        let (ours, theirs) = socket2::Socket::pair(Domain::UNIX, Type::STREAM, None)?;
        self.accept(OwnedFd::from(theirs).into())?;
        Ok(OwnedFd::from(ours).into())
    }

    /// Hands the server its end of a connection.
    pub(crate) fn accept(&self, theirs: UnixStream) -> io::Result<()> {
        (self.accept)(theirs)
    }

    /// Returns the name that stands in place of host and port.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }
}

impl PartialEq for InProcess {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.accept, &other.accept)
    }
}

impl Eq for InProcess {}

impl fmt::Debug for InProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("InProcess").field(&self.name).finish()
    }
}
