//! The check of the user that a server behind a local socket runs as: before it gets anything, the password above all.

use std::os::fd::AsFd;

use crate::config::settings::PeerSettings;
use crate::config::{socket_owner, users};
use crate::error::{Error, ErrorKind, Phase};
use crate::sys::socket::peer_uid;

/// Checks the server at the other end of a connected local socket. Costs one system call and a look at `/etc/passwd`, and
/// nothing where nothing is demanded.
///
/// # Errors
/// Final: [`ErrorKind::Auth`] for another user than `requirepeer` says, [`ErrorKind::Config`] for a stranger behind a socket that
/// was found.
pub(super) fn check_peer(socket: impl AsFd, settings: &PeerSettings) -> Result<(), Error> {
    if *settings == PeerSettings::default() {
        return Ok(());
    }
    let owner =
        peer_uid(socket).map_err(|e| failed(format!("could not find out which user: {e}")).with_source(e))?;
    match (&settings.required, &settings.found_in) {
        // A user may have several names.
        (Some(required), _) if users::uid_of(required) == Some(owner) => Ok(()),
        (Some(required), _) => {
            let user = users::name_of(owner)
                .map_or_else(|| format!("user number {owner}"), |name| format!("\"{name}\""));
            Err(failed(format!(
                "requirepeer is \"{}\", and the server runs as {user}",
                required.escape_debug()
            )))
        }
        (None, Some(directory)) => socket_owner::refuse_stranger(directory, owner),
        (None, None) => Ok(()),
    }
}

fn failed(message: String) -> Error {
    Error::new(ErrorKind::Auth, message).in_phase(Phase::Auth).set_retryable(false)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn the_user_at_the_other_end_is_the_required_one_or_gets_nothing() {
        let (socket, _other_end) = UnixStream::pair().expect("a pair");
        let own =
            users::name_of(rustix::process::geteuid().as_raw()).expect("tests run as a user with a name");
        let requiring = |name: &str| PeerSettings { required: Some(name.to_owned()), found_in: None };
        check_peer(&socket, &PeerSettings::default()).unwrap();
        check_peer(&socket, &requiring(&own)).unwrap();
        for other in ["nobody", "no-such-user"] {
            let error = check_peer(&socket, &requiring(other)).unwrap_err();
            assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Auth, false), "{error}");
            let message = error.to_string();
            assert!(message.contains(&format!("requirepeer is \"{other}\"")), "{message}");
            assert!(message.contains(&format!("runs as \"{own}\"")), "{message}");
        }
    }

    #[test]
    fn behind_a_socket_that_was_found_this_processs_own_user_is_trusted() {
        let (socket, _other_end) = UnixStream::pair().expect("a pair");
        let found = PeerSettings { required: None, found_in: Some(PathBuf::from("/tmp")) };
        check_peer(&socket, &found).unwrap();
    }
}
