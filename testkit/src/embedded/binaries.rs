//! The location of PostgreSQL's programs on this machine.
//!
//! `pg_config` answers first, since it is what a person's own installation put on `PATH`. It is not believed blindly: the
//! one that comes with client libraries names a folder in which there may be no server at all.

use std::collections::HashSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::error::Error;

/// Overrides the search; a wrong value is an error rather than a reason to look elsewhere.
const OVERRIDE: &str = "HOLDFAST_PG_BINDIR";

/// Folders with one sub-folder per major version, and where the programs are below it.
const VERSIONED: [(&str, &str, &str); 5] = [
    ("/usr/lib/postgresql", "", "bin"),          // Debian, Ubuntu
    ("/usr", "pgsql-", "bin"),                   // packages of the PostgreSQL project for RHEL and its kin
    ("/usr/libexec", "postgresql", ""),          // Alpine
    ("/opt/homebrew/opt", "postgresql@", "bin"), // Homebrew on Apple silicon
    ("/usr/local/opt", "postgresql@", "bin"),    // Homebrew on Intel
];

/// Folders without a version in their name.
const FIXED: [&str; 5] = [
    "/usr/local/pgsql/bin", // built from source
    "/opt/homebrew/opt/postgresql/bin",
    "/usr/local/opt/postgresql/bin",
    "/Applications/Postgres.app/Contents/Versions/latest/bin",
    "/usr/bin", // Arch, Fedora
];

/// A folder that holds a server's programs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Binaries {
    dir: PathBuf,
}

impl Binaries {
    /// The binaries in `dir`, which the caller or the environment named.
    pub(super) fn at(dir: &Path) -> Result<Self, Error> {
        match missing_from(dir) {
            None => Ok(Self { dir: dir.to_owned() }),
            Some(missing) => {
                Err(Error::NotInstalled { looked_at: vec![format!("{}: {missing}", dir.display())] })
            }
        }
    }

    /// The first folder that has all it takes, in the order of [`candidates`].
    pub(super) fn find() -> Result<Self, Error> {
        if let Some(dir) = env::var_os(OVERRIDE) {
            return Self::at(Path::new(&dir));
        }
        let (candidates, mut looked_at) = candidates();
        let mut seen = HashSet::new();
        for (origin, dir) in candidates {
            if !seen.insert(dir.clone()) {
                continue;
            }
            match missing_from(&dir) {
                None => return Ok(Self { dir }),
                Some(missing) => looked_at.push(format!("{} ({origin}): {missing}", dir.display())),
            }
        }
        Err(Error::NotInstalled { looked_at })
    }

    /// The path of one program.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

/// Returns the reason why `dir` cannot be used, if there is one.
fn missing_from(dir: &Path) -> Option<String> {
    if !dir.is_dir() {
        return Some("no such folder".to_owned());
    }
    let missing: Vec<&str> =
        ["initdb", "postgres"].into_iter().filter(|name| !dir.join(name).is_file()).collect();
    if missing.is_empty() { None } else { Some(format!("no {} there", missing.join(" and no "))) }
}

/// Every place to look at with what led there, best first, and notes about what led nowhere.
fn candidates() -> (Vec<(&'static str, PathBuf)>, Vec<String>) {
    let mut places = Vec::new();
    let mut notes = Vec::new();
    match pg_config_bindir() {
        Ok(dir) => places.push(("pg_config --bindir", dir)),
        Err(why) => notes.push(format!("pg_config --bindir: {why}")),
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&path).filter(|dir| missing_from(dir).is_none());
    let before = places.len();
    places.extend(on_path.map(|dir| ("PATH", dir)));
    if places.len() == before {
        notes.push("PATH: no folder on it holds both".to_owned());
    }
    for (root, prefix, below) in VERSIONED {
        let versions = versions_newest_first(Path::new(root), prefix);
        if versions.is_empty() {
            notes.push(format!("{}: none", Path::new(root).join(format!("{prefix}*")).join(below).display()));
        }
        places.extend(versions.into_iter().map(|dir| ("usual folder", dir.join(below))));
    }
    places.extend(FIXED.map(|dir| ("usual folder", PathBuf::from(dir))));
    (places, notes)
}

fn pg_config_bindir() -> Result<PathBuf, String> {
    let output = Command::new("pg_config")
        .arg("--bindir")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    let dir = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if output.status.success() && !dir.is_empty() {
        Ok(PathBuf::from(dir))
    } else {
        Err(format!("ended with {}", output.status))
    }
}

/// The folders `root/<prefix><version>`, with 17 before 9.6 (which the order of letters gets wrong).
fn versions_newest_first(root: &Path, prefix: &str) -> Vec<PathBuf> {
    let mut found: Vec<(Vec<u32>, PathBuf)> = fs::read_dir(root)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            let version = name.to_str()?.strip_prefix(prefix)?;
            let version = version.split('.').map(str::parse).collect::<Result<Vec<u32>, _>>().ok()?;
            Some((version, entry.path()))
        })
        .collect();
    found.sort_by(|a, b| b.0.cmp(&a.0));
    found.into_iter().map(|(_, dir)| dir).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_comes_first_by_number_and_not_by_letter() {
        let root = env::temp_dir().join(format!("holdfast-versions-{}", std::process::id()));
        for version in ["9.6", "17", "15", "common"] {
            fs::create_dir_all(root.join(version)).unwrap();
        }
        let found = versions_newest_first(&root, "");
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(found, [root.join("17"), root.join("15"), root.join("9.6")]);
    }

    #[test]
    fn a_folder_without_a_server_is_named_together_with_what_is_missing() {
        let error = Binaries::at(Path::new("/proc/self")).unwrap_err().to_string();
        assert!(error.contains("/proc/self: no initdb and no postgres there"), "{error}");
        assert!(error.contains("apt-get install postgresql"), "{error}");
    }
}
