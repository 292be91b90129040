//! The user that the server runs as.
//!
//! PostgreSQL refuses to run as root. In a container one is often root, so the server is then run as the `postgres` user
//! if there is one, else as `nobody`, and the files it needs are given to that user.

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rustix::process::{Gid, Uid};

/// The number of `nobody` on practically every system, for a container with no `/etc/passwd`.
const NOBODY: u32 = 65_534;

/// The user that owns the server's files and runs its processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ServerUser {
    /// The user of this process, which is not root.
    Myself,
    /// This process runs as root, so the server runs as a user without privileges.
    Other { uid: u32, gid: u32 },
}

impl ServerUser {
    pub(super) fn choose() -> Self {
        if !rustix::process::geteuid().is_root() {
            return Self::Myself;
        }
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let (uid, gid) = ["postgres", "nobody"]
            .into_iter()
            .find_map(|name| ids_of(&passwd, name))
            .unwrap_or((NOBODY, NOBODY));
        Self::Other { uid, gid }
    }

    /// Makes `command` run as this user.
    ///
    /// `Command` drops root's supplementary groups by itself when it changes the user and is not told which groups to
    /// keep, so the server does not stay a member of `root`, `docker` or `disk`.
    pub(super) fn apply(self, command: &mut Command) -> &mut Command {
        match self {
            Self::Myself => command,
            Self::Other { uid, gid } => command.uid(uid).gid(gid),
        }
    }

    /// Gives an open file or folder to this user. Never by its path, at which there may be something else by now.
    pub(super) fn own(self, file: impl AsFd) -> io::Result<()> {
        match self {
            Self::Myself => Ok(()),
            Self::Other { uid, gid } => {
                let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
                Ok(rustix::fs::fchown(file, Some(uid), Some(gid))?)
            }
        }
    }

    /// Whether this user can get at what lies below `dir`. Root's own `TMPDIR` may well be closed to everybody else.
    pub(super) fn can_reach(self, dir: &Path) -> bool {
        const OTHERS_MAY_ENTER: u32 = 0o001;
        match self {
            Self::Myself => true,
            Self::Other { .. } => dir.ancestors().all(|folder| {
                fs::metadata(folder).is_ok_and(|found| found.permissions().mode() & OTHERS_MAY_ENTER != 0)
            }),
        }
    }
}

/// User and group number of `name` in the text of `/etc/passwd`. Root itself, whatever its name, will not do.
fn ids_of(passwd: &str, name: &str) -> Option<(u32, u32)> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next()? != name {
            return None;
        }
        let uid: u32 = fields.nth(1)?.parse().ok()?;
        let gid: u32 = fields.next()?.parse().ok()?;
        (uid != 0).then_some((uid, gid))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_a_user_are_read_from_its_own_line() {
        let passwd = "root:x:0:0::/root:/bin/sh\npostgresql:x:7:8::/:/bin/sh\npostgres:x:101:104:PostgreSQL:/:/bin/bash\n";
        assert_eq!(ids_of(passwd, "postgres"), Some((101, 104)));
        assert_eq!(ids_of(passwd, "nobody"), None);
    }

    #[test]
    fn a_user_with_the_rights_of_root_is_never_chosen() {
        assert_eq!(ids_of("postgres:x:0:0::/:/bin/sh\n", "postgres"), None);
    }
}
