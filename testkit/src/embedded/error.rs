//! The errors of a private server, with what a person needs in order to mend them: the folders that were searched,
//! what `initdb` printed, what the server logged.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a private server could not be started or steered.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// No folder with `initdb` and `postgres` was found. Lists what was looked at and why each did not do.
    NotInstalled {
        /// Each place, with what was found there.
        looked_at: Vec<String>,
    },
    /// `initdb` (or `pg_basebackup`, for a standby) refused; carries all that it printed.
    Initialise {
        /// The program that was run.
        program: PathBuf,
        /// Its standard error and output.
        output: String,
    },
    /// The server ended before it was ready, or was not ready in time; carries its log.
    NotReady {
        /// The event that was waited for, and how the wait ended.
        what: String,
        /// The server's log.
        log: String,
    },
    /// The server did not stop within the time it was given.
    NotStopped {
        /// The event that was waited for, and for how long.
        what: String,
    },
    /// The server runs already, or does not run, or the process named is not one of its own.
    Misuse(String),
    /// A file, folder, process or signal could not be handled.
    Io {
        /// The operation that failed.
        doing: String,
        /// The system's answer.
        source: io::Error,
    },
    /// A statement that sets the server up, or its administrative connection, failed.
    Sql {
        /// The statement, or what was being done.
        doing: String,
        /// The client's error.
        source: postgres::Error,
    },
}

impl Error {
    /// For `map_err`: the system's error together with what was being done.
    pub(super) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }

    /// Whether what failed did so because a disk is full, by the system's own words.
    fn is_full_disk(&self) -> bool {
        const WORDS: &str = "No space left on device";
        match self {
            Self::Initialise { output, .. } => output.contains(WORDS),
            Self::NotReady { log, .. } => log.contains(WORDS),
            Self::Io { source, .. } => source.kind() == io::ErrorKind::StorageFull,
            Self::Sql { source, .. } => source.code() == Some(&postgres::error::SqlState::DISK_FULL),
            _ => false,
        }
    }

    /// Whether the server ended because another process took the port first: then another port will do.
    pub(super) fn is_port_taken(&self) -> bool {
        matches!(self, Self::NotReady { log, .. } if log.contains("Address already in use"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_full_disk() {
            f.write_str("the disk for temporary files is full (free some of it, or set TMPDIR to a folder on another): ")?;
        }
        match self {
            Self::NotInstalled { looked_at } => {
                f.write_str("no PostgreSQL server binaries found (both `initdb` and `postgres` are needed). Looked at:")?;
                for place in looked_at {
                    write!(f, "\n  - {place}")?;
                }
                f.write_str(
                    "\nInstall the server, not only the client: `apt-get install postgresql` (Debian, Ubuntu), \
                     `dnf install postgresql-server` (Fedora, RHEL), `apk add postgresql` (Alpine), \
                     `brew install postgresql` (macOS); or point HOLDFAST_PG_BINDIR at the folder that holds them.",
                )
            }
            Self::Initialise { program, output } => {
                write!(f, "{} failed: {}", program.display(), output.trim())
            }
            Self::NotReady { what, log } if log.trim().is_empty() => {
                write!(f, "{what}; its log is empty")
            }
            Self::NotReady { what, log } => write!(f, "{what}; its log says:\n{}", log.trim_end()),
            Self::NotStopped { what } | Self::Misuse(what) => f.write_str(what),
            Self::Io { doing, source } => write!(f, "could not {doing}: {source}"),
            Self::Sql { doing, source } => {
                write!(f, "{doing}: {source}")?;
                // The client's own text is only "db error"; the server's words are one level down.
                match source.as_db_error() {
                    Some(server) => write!(f, ": {server}"),
                    None => Ok(()),
                }
            }
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Sql { source, .. } => Some(source),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_said_as_such() {
        let words = "cp: error writing 'data/base/1/1259': No space left on device";
        let copying = Error::Initialise { program: "cp".into(), output: words.to_owned() };
        let starting =
            Error::NotReady { what: "the server ended at start".to_owned(), log: words.to_owned() };
        let writing = Error::Io { doing: "write".to_owned(), source: io::ErrorKind::StorageFull.into() };
        for error in [copying, starting, writing] {
            assert!(error.to_string().starts_with("the disk for temporary files is full"), "{error}");
        }
        let other = Error::Misuse("the server runs already".to_owned());
        assert!(!other.to_string().contains("full"));
    }
}
