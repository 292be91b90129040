//! The password file: lines of `host:port:database:user:password`, read by libpq's rules (`passwordFromFile`).

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::settings::Secret;
use crate::error::is_local_limit;

/// The bits of a file's mode that give others than its owner access.
const OTHERS_MAY: u32 = 0o077;

/// Where a password is found: a file, and what its line has to fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PasswordEntry {
    pub(super) file: PathBuf,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) dbname: String,
    pub(super) user: String,
}

impl PasswordEntry {
    /// Reads the file, as libpq does for each connection.
    pub(super) fn password(&self) -> io::Result<Option<Secret>> {
        let file = Passfile::read(&self.file)?;
        Ok(file.password(&self.host, self.port, &self.dbname, &self.user))
    }
}

/// The contents of a password file.
struct Passfile {
    text: Vec<u8>,
}

impl Passfile {
    /// The file at `path`. One that is missing or cannot be read has no passwords, as in libpq; one that others can
    /// read is refused with a warning. `Err` when this process is at a limit: that says nothing of the file.
    fn read(path: &Path) -> io::Result<Self> {
        match contents(path) {
            Err(error) if is_local_limit(&error) => Err(error),
            text => Ok(Self { text: text.ok().flatten().unwrap_or_default() }),
        }
    }

    /// The password of the first line that fits.
    fn password(&self, host: &str, port: u16, dbname: &str, user: &str) -> Option<Secret> {
        let port = port.to_string();
        self.text
            .split(|byte| *byte == b'\n')
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
            .filter(|line| !line.starts_with(b"#"))
            .find_map(|line| {
                let rest = after_field(line, host)?;
                let rest = after_field(rest, &port)?;
                let rest = after_field(rest, dbname)?;
                after_field(rest, user)
            })
            .and_then(password_field)
    }
}

/// `None` for a file that is not used.
fn contents(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let about = fs::metadata(path)?;
    let shown = path.display();
    if !about.is_file() {
        log::warn!("the password file {shown} is not a plain file and is not used");
        return Ok(None);
    }
    if about.mode() & OTHERS_MAY != 0 {
        log::warn!(
            "the password file {shown} is not used, since others than its owner may read or write it: run chmod 0600 on it"
        );
        return Ok(None);
    }
    fs::read(path)
        .map(Some)
        .inspect_err(|error| log::warn!("the password file {shown} cannot be read: {error}"))
}

/// Returns the rest of `line` after its first field and colon, if the field is `*` or equals `wanted`. A backslash
/// takes the next character as it is.
fn after_field<'a>(line: &'a [u8], wanted: &str) -> Option<&'a [u8]> {
    if let Some(rest) = line.strip_prefix(b"*:") {
        return Some(rest);
    }
    let mut wanted = wanted.bytes();
    let mut rest = line.iter().enumerate();
    while let Some((at, &byte)) = rest.next() {
        let byte = match byte {
            b':' => return wanted.next().is_none().then(|| &line[at + 1..]),
            b'\\' => *rest.next()?.1,
            plain => plain,
        };
        if wanted.next() != Some(byte) {
            return None;
        }
    }
    None
}

/// The password, up to a colon or the end of the line; `None` for an empty one.
fn password_field(text: &[u8]) -> Option<Secret> {
    let mut password = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b':' => break,
            // A backslash at the very end stands for itself.
            b'\\' => password.push(*bytes.next().unwrap_or(&b'\\')),
            plain => password.push(plain),
        }
    }
    match String::from_utf8(password) {
        Ok(text) if text.is_empty() || text.contains('\0') => None,
        Ok(text) => Some(Secret::new(text)),
        Err(_) => {
            log::warn!(
                "a fitting line of the password file holds a password that is not UTF-8; it is not used"
            );
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look_up(text: &str, host: &str, port: u16, dbname: &str, user: &str) -> Option<String> {
        let file = Passfile { text: text.as_bytes().to_vec() };
        file.password(host, port, dbname, user).map(|secret| secret.reveal().to_owned())
    }

    #[test]
    fn the_first_line_that_fits_wins() {
        let text = "other:*:*:*:no\ndb:5432:*:app:yes\n*:*:*:*:later\n";
        assert_eq!(look_up(text, "db", 5432, "orders", "app").as_deref(), Some("yes"));
        assert_eq!(look_up(text, "db", 5433, "orders", "app").as_deref(), Some("later"));
    }

    #[test]
    fn backslashes_take_colons_and_themselves_as_they_are() {
        let text = "::1:5432:d:u:not this\n\\:\\:1:5432:d:u:a\\:b\\\\c:comment\n";
        assert_eq!(look_up(text, "::1", 5432, "d", "u").as_deref(), Some("a:b\\c"));
    }

    #[test]
    fn comments_short_lines_and_empty_passwords_give_none() {
        for text in
            ["", "#*:*:*:*:x", "db:5432:d", "db:5432:d:u", "db:5432:d:u:", "dbx:*:*:*:x", "d:*:*:*:x", "db"]
        {
            assert_eq!(look_up(text, "db", 5432, "d", "u"), None, "{text}");
        }
    }

    #[test]
    fn a_star_is_a_wildcard_only_when_it_is_the_whole_field() {
        assert_eq!(look_up("d*:*:*:*:x", "db", 1, "d", "u"), None);
        assert_eq!(look_up("d*:*:*:*:x\r\n", "d*", 1, "d", "u").as_deref(), Some("x"));
    }
}
