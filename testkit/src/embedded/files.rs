//! Files of a private server, handled so that no user who can write into the server's folder can have root write, read or give
//! away another file through a link.
//!
//! What is written here lies beside the server's own folder, in folders that belong to this process's user alone; what the
//! server itself has written is opened name by name without following links. Whatever else happens in its folder is done by
//! programs that run as the server's user.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, openat};

use super::user::ServerUser;

/// Far more than `postmaster.pid` holds.
const LONGEST: u64 = 64 * 1024;

/// Opens a file in a folder of our own, new or empty, for `user` alone.
pub(super) fn create(path: &Path, user: ServerUser) -> io::Result<File> {
    let file = File::options()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .custom_flags(OFlags::NOFOLLOW.bits() as i32)
        .open(path)?;
    // A file that is written over may have had other permissions.
    rustix::fs::fchmod(&file, Mode::RUSR | Mode::WUSR)?;
    user.own(&file)?;
    Ok(file)
}

/// Writes a file in a folder of our own, for `user` alone.
pub(super) fn write(path: &Path, text: &[u8], user: ServerUser) -> io::Result<()> {
    create(path, user)?.write_all(text)
}

/// Opens the server's log for appending: it stays ours, the server only gets the descriptor.
pub(super) fn open_log(path: &Path) -> io::Result<File> {
    let nofollow = OFlags::NOFOLLOW.bits() as i32;
    File::options().create(true).append(true).mode(0o600).custom_flags(nofollow).open(path)
}

/// The reading end of a pipe that holds `text`, a short one, and ends behind it.
pub(super) fn pipe_with(text: &[u8]) -> io::Result<io::PipeReader> {
    let (reader, mut writer) = io::pipe()?;
    writer.write_all(text)?;
    Ok(reader)
}

/// A text file that the server has written at `folder/name/name`: no name on the way may be a link.
pub(super) fn read_below<const N: usize>(folder: &Path, names: [&str; N]) -> io::Result<String> {
    let mut at = open(None, folder.as_os_str(), OFlags::DIRECTORY)?;
    for (index, name) in names.into_iter().enumerate() {
        let kind = if index + 1 < N { OFlags::DIRECTORY } else { OFlags::empty() };
        at = open(Some(&at), OsStr::new(name), kind)?;
    }
    let file = File::from(at);
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "not a plain file"));
    }
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text)?;
    Ok(text)
}

/// Does not wait for the other end of what should be a file and is a pipe.
fn open(at: Option<&OwnedFd>, name: &OsStr, kind: OFlags) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | kind;
    Ok(match at {
        Some(folder) => openat(folder, name, flags, Mode::empty())?,
        None => openat(CWD, name, flags, Mode::empty())?,
    })
}

/// Gives a folder that was just made in a folder of our own to `user`.
pub(super) fn own_folder(path: &Path, user: ServerUser) -> io::Result<()> {
    user.own(&open(None, path.as_os_str(), OFlags::DIRECTORY)?)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn no_link_is_followed_and_no_pipe_is_waited_for() {
        let dir = std::env::temp_dir().join(format!("holdfast-files-{}", std::process::id()));
        fs::create_dir_all(dir.join("data")).unwrap();
        fs::write(dir.join("data/real"), "said").unwrap();
        fs::write(dir.join("victim"), "untouched").unwrap();
        symlink(dir.join("victim"), dir.join("link")).unwrap();
        symlink(dir.join("victim"), dir.join("data/link")).unwrap();
        symlink(dir.join("data"), dir.join("folder")).unwrap();
        rustix::fs::mknodat(CWD, dir.join("data/pipe"), rustix::fs::FileType::Fifo, Mode::RWXU, 0).unwrap();
        let read = |names: [&str; 2]| read_below(&dir, names).map_err(drop);
        let results = [["data", "real"], ["data", "link"], ["folder", "real"], ["data", "pipe"]].map(read);
        let written = [create(&dir.join("link"), ServerUser::Myself), open_log(&dir.join("link"))];
        let victim = fs::read_to_string(dir.join("victim")).unwrap();
        fs::remove_dir_all(&dir).unwrap();
        assert_eq!(results, [Ok("said".to_owned()), Err(()), Err(()), Err(())]);
        assert!(written.iter().all(Result::is_err));
        assert_eq!(victim, "untouched");
    }
}
