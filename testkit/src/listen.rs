//! Where the stand-ins for servers listen.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};

use crate::embedded::free_port;

/// How often another process may snatch the port between our look at it and our use of it.
const PORT_TRIES: u32 = 8;

/// Returns a listener on this machine: on a given port, or on one that no outgoing connection will ever be given while nobody
/// listens there; see [`free_port`].
pub(crate) fn listen(port: Option<u16>) -> io::Result<(u16, TcpListener)> {
    let bind = |port| TcpListener::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port));
    if let Some(port) = port {
        return Ok((port, bind(port)?));
    }
    let mut last = None;
    for _ in 0..PORT_TRIES {
        let port = free_port()?;
        match bind(port) {
            Ok(listener) => return Ok((port, listener)),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::ErrorKind::AddrInUse.into()))
}
