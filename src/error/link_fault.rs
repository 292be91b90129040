//! The ends of a connection outside the protocol: by deadline, by hand, by the network.
//!
//! The link puts a fault into the `io::Error` it gives to `postgres`. Classification finds it again behind the driver's
//! own error.

use std::fmt;
use std::io;

/// The cause that ended a connection, where the protocol does not report one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinkFault {
    /// Work on it ran past its deadline.
    DeadlinePassed,
    /// Another thread cut it (`close`).
    Interrupted,
    /// The pool retired it.
    Retired,
    /// The server, or a device on the way, closed it.
    ClosedByServer,
    /// The server broke the protocol: nothing that follows can be trusted.
    ProtocolBroken,
    /// A request left unfinished on it could not be cancelled: the cancel request may still arrive, and would hit the
    /// next statement.
    NotCancelled,
    /// There is not enough memory for what the server sends.
    OutOfMemory,
    /// This process is a forked child; the connection belongs to the parent.
    Forked,
}

impl LinkFault {
    pub(crate) fn to_word(self) -> u8 {
        match self {
            Self::DeadlinePassed => 1,
            Self::Interrupted => 2,
            Self::Retired => 3,
            Self::ClosedByServer => 4,
            Self::Forked => 5,
            Self::ProtocolBroken => 6,
            Self::NotCancelled => 7,
            Self::OutOfMemory => 8,
        }
    }

    pub(crate) fn from_word(word: u8) -> Option<Self> {
        Some(match word {
            1 => Self::DeadlinePassed,
            2 => Self::Interrupted,
            3 => Self::Retired,
            4 => Self::ClosedByServer,
            5 => Self::Forked,
            6 => Self::ProtocolBroken,
            7 => Self::NotCancelled,
            8 => Self::OutOfMemory,
            _ => return None,
        })
    }
}

impl fmt::Display for LinkFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DeadlinePassed => "the deadline passed before the server answered",
            Self::Interrupted => "the connection was cut because the pool was closed",
            Self::Retired => "the connection was retired by the pool",
            Self::ClosedByServer => "the server closed the connection",
            Self::ProtocolBroken => "the server sent what the protocol does not allow",
            Self::NotCancelled => "what was left half-way on the connection could not be cancelled",
            Self::OutOfMemory => "there is not enough memory for what the server sends",
            Self::Forked => {
                "the connection belongs to the parent of this forked process; open a new pool here"
            }
        })
    }
}

impl std::error::Error for LinkFault {}

impl From<LinkFault> for io::Error {
    fn from(fault: LinkFault) -> Self {
        let kind = match fault {
            LinkFault::DeadlinePassed => io::ErrorKind::TimedOut,
            LinkFault::Interrupted | LinkFault::Retired | LinkFault::NotCancelled => {
                io::ErrorKind::ConnectionAborted
            }
            LinkFault::ClosedByServer => io::ErrorKind::UnexpectedEof,
            LinkFault::OutOfMemory => io::ErrorKind::OutOfMemory,
            LinkFault::ProtocolBroken => io::ErrorKind::InvalidData,
            LinkFault::Forked => io::ErrorKind::Unsupported,
        };
        io::Error::new(kind, fault)
    }
}
