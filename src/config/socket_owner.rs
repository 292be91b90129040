//! The check of the owner of a socket that was found where no host was given.
//!
//! Without a host, and without the folder of packaged servers, libpq looks in `/tmp`, where any user of the machine can
//! put a socket and wait for passwords. A host that the program named is not checked.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::users::uid_of;
use crate::error::{Error, Result};

/// The mode's bit that lets every user put files into a folder.
const EVERYBODY_MAY_WRITE: u32 = 0o002;

/// Refuses a socket in `directory` that belongs to a stranger. A missing one has no owner.
///
/// The file can be replaced between this check and the connection, so the user at the other end of
/// the connection is checked too (`connect::peer`).
pub(super) fn check(directory: &Path, port: u16) -> Result<()> {
    match fs::symlink_metadata(directory.join(format!(".s.PGSQL.{port}"))) {
        Ok(socket) => refuse_stranger(directory, socket.uid()),
        Err(_) => Ok(()),
    }
}

/// Refuses a server that runs as `owner` behind a socket in `directory`, unless only some users can put one there, or
/// the owner is root, this process's user, or `postgres`.
pub(crate) fn refuse_stranger(directory: &Path, owner: u32) -> Result<()> {
    let mode = fs::metadata(directory).map_or(0, |folder| folder.mode());
    let own = rustix::process::geteuid().as_raw();
    if is_trusted(mode, owner, own, uid_of("postgres")) {
        return Ok(());
    }
    Err(Error::config(format!(
        "no host is given, and the socket in {} belongs to user {owner}, who may be anybody, since everybody may put one there: \
         give host={0} if that server is meant, or the host that is",
        directory.display()
    )))
}

fn is_trusted(folder_mode: u32, owner: u32, own: u32, postgres: Option<u32>) -> bool {
    folder_mode & EVERYBODY_MAY_WRITE == 0 || owner == 0 || owner == own || Some(owner) == postgres
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_of_a_stranger_in_a_folder_of_everybodys_is_not_trusted() {
        const SHARED: u32 = 0o041_777;
        assert!(!is_trusted(SHARED, 1001, 1000, Some(110)));
        for owner in [0, 1000, 110] {
            assert!(is_trusted(SHARED, owner, 1000, Some(110)), "{owner}");
        }
        assert!(is_trusted(0o042_775, 1001, 1000, None), "not everybody may write there");
        assert!(!is_trusted(SHARED, 1001, 1000, None));
        let error = refuse_stranger(Path::new("/tmp"), u32::MAX - 1).unwrap_err().to_string();
        assert!(error.contains("give host="), "{error}");
    }
}
