//! The address of a server.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use socket2::SockAddr;

use super::in_process::InProcess;

/// An address to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    Tcp(SocketAddr),
    /// The socket's own path; a leading `@` means Linux' abstract name space.
    Unix(PathBuf),
    /// A server within this process.
    InProcess(InProcess),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
            Self::InProcess(in_process) => f.write_str(in_process.name()),
        }
    }
}

/// The address of a local socket. A leading `@` means Linux' abstract name space, which is a leading NUL to the system.
///
/// # Errors
/// When the path is longer than the system's addresses are: 107 bytes on Linux.
pub(crate) fn unix_address(path: &Path) -> io::Result<SockAddr> {
    match path.as_os_str().as_bytes() {
        [b'@', name @ ..] => SockAddr::unix(std::ffi::OsStr::from_bytes(&[b"\0", name].concat())),
        _ => SockAddr::unix(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_as_long_as_an_address_of_the_system_or_refused() {
        let path = |length: usize| PathBuf::from(format!("/{}", "x".repeat(length - 1)));
        assert!(unix_address(&path(100)).is_ok());
        assert_eq!(unix_address(&path(120)).map_err(|e| e.kind()).unwrap_err(), io::ErrorKind::InvalidInput);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn an_at_sign_leads_to_the_abstract_name_space() {
        let address = unix_address(Path::new("@name")).expect("a short name");
        assert_eq!(address.as_abstract_namespace(), Some(&b"name"[..]));
    }
}
