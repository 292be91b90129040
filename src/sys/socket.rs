//! Flags of sockets that not every system has.

use rustix::event::PollFlags;
use rustix::net::SendFlags;

/// Has `poll` report that the peer has closed its side. Apple's systems have no flag for that: they report `HUP` unasked.
#[cfg(not(target_vendor = "apple"))]
pub(crate) const PEER_CLOSED: PollFlags = PollFlags::RDHUP;
#[cfg(target_vendor = "apple")]
pub(crate) const PEER_CLOSED: PollFlags = PollFlags::empty();

/// Keeps a send to a peer that has gone from ending the process by SIGPIPE. Apple's systems have an option of the socket for
/// that, which `socket2` sets on each that it makes.
#[cfg(not(target_vendor = "apple"))]
pub(crate) const NO_SIGNAL: SendFlags = SendFlags::NOSIGNAL;
#[cfg(target_vendor = "apple")]
pub(crate) const NO_SIGNAL: SendFlags = SendFlags::empty();
