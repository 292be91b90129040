//! A TCP port on which no process listens, and that the system gives to none by accident.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;

/// How many ports are tried one by one before the system is asked for any.
const TRIES: usize = 64;

/// A free port of 127.0.0.1.
///
/// Where that can be known, it lies outside the range from which the system numbers outgoing connections. Otherwise, while
/// the server is away for a restart, a client's connection could be given that very number: the server then finds its
/// port taken, or a client that keeps trying becomes connected to itself.
///
/// # Errors
/// The system's, when it has no port to give.
pub fn free_port() -> io::Result<u16> {
    if let Some(range) = quiet_range() {
        for _ in 0..TRIES {
            let port = fastrand::u16(range.clone());
            if is_free(port) {
                return Ok(port);
            }
        }
    }
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Ports below those for outgoing connections and above the well-known ones.
fn quiet_range() -> Option<Range<u16>> {
    /// Most services with a registered number of their own live below this.
    const FLOOR: u16 = 12_000;
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let outgoing_from: u16 = range.split_whitespace().next()?.parse().ok()?;
    // A range of fewer ports than these would collide all the time; then the system's choice is better.
    (outgoing_from > FLOOR + 1_000).then_some(FLOOR..outgoing_from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_port_can_be_listened_on_and_is_never_one_that_the_system_gives_to_outgoing_connections() {
        for _ in 0..20 {
            let port = free_port().unwrap();
            assert!(is_free(port));
            if let Some(quiet) = quiet_range() {
                assert!(quiet.contains(&port));
            }
        }
    }
}
