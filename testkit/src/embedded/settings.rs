//! What configures a private server: its `postgresql.conf`, `pg_hba.conf` and certificates, beside its own folder, where nobody
//! but us can put a link in their place. The server can read them, and nobody else can.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use super::builder::TlsFiles;
use super::error::Error;
use super::files;
use super::user::ServerUser;

pub(super) struct Settings {
    dir: PathBuf,
    user: ServerUser,
    /// The present contents of `postgresql.conf`.
    conf: Mutex<String>,
}

impl Settings {
    /// Makes the folder, with what initdb has found out and then these lines.
    pub(super) fn make(folder: &Path, user: ServerUser, lines: String) -> Result<Self, Error> {
        let dir = folder.with_extension("conf");
        DirBuilder::new()
            .mode(0o700)
            .create(&dir)
            // The server passes through to its files, and can add none.
            .and_then(|()| match user {
                ServerUser::Myself => Ok(()),
                ServerUser::Other { .. } => fs::set_permissions(&dir, fs::Permissions::from_mode(0o711)),
            })
            .map_err(Error::io(format!("create {}", dir.display())))?;
        let settings = Self { dir, user, conf: Mutex::new(String::new()) };
        let found = folder.join("data/postgresql.conf");
        let first = [
            setting("include", &found.display().to_string()).replace(" = ", " "),
            setting("hba_file", &settings.path("pg_hba.conf")),
        ];
        settings.append(&(first.concat() + &lines))?;
        Ok(settings)
    }

    /// The file that the server reads.
    pub(super) fn file(&self) -> PathBuf {
        self.dir.join("postgresql.conf")
    }

    /// Adds lines to `postgresql.conf`. Of several with one name the last counts.
    pub(super) fn append(&self, lines: &str) -> Result<(), Error> {
        let mut conf = self.conf.lock();
        conf.push_str(lines);
        self.write("postgresql.conf", conf.as_bytes())
    }

    /// Replaces `pg_hba.conf`; the administrator's way in stays.
    pub(super) fn write_hba(&self, lines: &[String]) -> Result<(), Error> {
        let always = "local all postgres trust\nlocal replication postgres trust\n";
        self.write("pg_hba.conf", format!("{always}{}\n", lines.join("\n")).as_bytes())
    }

    /// Copies certificate and key, with the mode on which the server insists, and has it use them.
    pub(super) fn install_tls(&self, files: &TlsFiles) -> Result<(), Error> {
        let mut lines = String::new();
        let given = [
            (Some(&files.cert), "server.crt", "ssl_cert_file"),
            (Some(&files.key), "server.key", "ssl_key_file"),
            (files.client_ca.as_ref(), "root.crt", "ssl_ca_file"),
        ];
        for (from, name, option) in given {
            let Some(from) = from else { continue };
            let text = fs::read(from).map_err(Error::io(format!("read {}", from.display())))?;
            self.write(name, &text)?;
            lines.push_str(&setting(option, &self.path(name)));
        }
        self.append(&lines)
    }

    /// Removes the folder.
    pub(super) fn remove(&self) -> std::io::Result<()> {
        fs::remove_dir_all(&self.dir)
    }

    fn path(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    fn write(&self, name: &str, text: &[u8]) -> Result<(), Error> {
        let path = self.dir.join(name);
        files::write(&path, text, self.user).map_err(Error::io(format!("write {}", path.display())))
    }
}

/// A line of `postgresql.conf`.
pub(super) fn setting(name: &str, value: &str) -> String {
    let mut line = String::new();
    // Writing into a String cannot fail.
    let _ = writeln!(line, "{name} = '{}'", value.replace('\'', "''"));
    line
}
