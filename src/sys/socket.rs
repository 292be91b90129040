//! Socket functions that not every system has: flags, and the user at the other end.

use std::io;
use std::os::fd::AsFd;
#[cfg(not(target_os = "linux"))]
use std::os::fd::AsRawFd;

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

/// Returns the number of the user at the other end of a connected local socket: of a server, the one who began to listen.
#[cfg(target_os = "linux")]
pub(crate) fn peer_uid(socket: impl AsFd) -> io::Result<u32> {
    Ok(rustix::net::sockopt::socket_peercred(socket)?.uid.as_raw())
}
#[cfg(not(target_os = "linux"))]
#[allow(unsafe_code)]
pub(crate) fn peer_uid(socket: impl AsFd) -> io::Result<u32> {
    let (mut user, mut group) = (0, 0);
    // SAFETY: the descriptor is open for as long as it is borrowed, and both places take what is written to them.
    let status = unsafe { libc::getpeereid(socket.as_fd().as_raw_fd(), &mut user, &mut group) };
    if status == 0 { Ok(user) } else { Err(io::Error::last_os_error()) }
}
