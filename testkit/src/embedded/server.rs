//! A running private server: where it is reached, and what can be done to it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

use parking_lot::Mutex;
use rustix::process::Signal;

use super::builder::{Builder, TlsFiles};
use super::error::Error;
use super::files;
use super::launch::{Launch, pid_of, signal, wait_for_exit};
use super::processes;
use super::settings::setting;

/// A fast stop takes 10 ms; a smart one as long as clients stay, which is the caller's business.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// The mode of a shutdown, in PostgreSQL's own terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopMode {
    /// Waits for every client to leave; new ones are turned away (57P03).
    Smart,
    /// Ends every session (57P01), then stops in order. What a service manager does.
    Fast,
    /// Ends at once and recovers at the next start. What a crash looks like.
    Immediate,
}

impl StopMode {
    fn signal(self) -> Signal {
        match self {
            Self::Smart => Signal::TERM,
            Self::Fast => Signal::INT,
            Self::Immediate => Signal::QUIT,
        }
    }
}

/// A private PostgreSQL server, stopped and removed when dropped. See the [module](super).
///
/// All methods take `&self` and may be called from any thread, so that a server can live in a static or an `Arc`.
#[must_use = "the server is stopped and removed when this is dropped"]
pub struct EmbeddedPostgres {
    pub(super) launch: Launch,
    /// The postmaster while it is meant to run. Locked by the thread that starts or stops it.
    postmaster: Mutex<Option<Child>>,
}

impl EmbeddedPostgres {
    /// Starts a server with default settings.
    ///
    /// # Errors
    /// As for [`Builder::start`].
    pub fn start() -> Result<Self, Error> {
        Self::builder().start()
    }

    /// Describes a server to be started.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(super) fn launch(launch: Launch) -> Result<Self, Error> {
        let child = launch.start()?;
        Ok(Self { launch, postmaster: Mutex::new(Some(child)) })
    }

    // ---- where it is ----

    /// Returns the address it listens on, or 127.0.0.1 if it listens on all of them.
    pub fn host(&self) -> &str {
        &self.launch.host
    }

    /// Returns the port it listens on; a restart keeps it.
    pub fn port(&self) -> u16 {
        self.launch.port
    }

    /// Returns the folder of its Unix-domain socket. Run as root, it belongs to the server's user and is closed to others.
    pub fn socket_dir(&self) -> &Path {
        &self.launch.folder
    }

    /// Returns its data folder.
    pub fn data_dir(&self) -> PathBuf {
        self.launch.data()
    }

    /// Returns everything that it has logged so far.
    pub fn log(&self) -> String {
        self.launch.log()
    }

    /// Returns the major version, as in `15`.
    ///
    /// # Errors
    /// [`Io`](Error::Io) when its data folder cannot be read.
    pub fn major_version(&self) -> Result<u32, Error> {
        let text = files::read_below(&self.launch.folder, ["data", "PG_VERSION"])
            .map_err(Error::io("read PG_VERSION"))?;
        // Before 10 a major version was called 9.6; the rest is not needed.
        let major = text.split('.').next().unwrap_or_default().trim().parse();
        major.map_err(|_| Error::Misuse(format!("PG_VERSION holds {text:?}")))
    }

    // ---- asking it ----

    /// Opens a connection of the administrator, `postgres`, over the Unix-domain socket. It takes one of the slots reserved for
    /// superusers when the rest are taken.
    ///
    /// # Errors
    /// [`Sql`](Error::Sql) when the server does not let it in, or does not run.
    pub fn connect(&self) -> Result<postgres::Client, Error> {
        let mut config = postgres::Config::new();
        config.host_path(&self.launch.folder).port(self.launch.port).user("postgres").dbname("postgres");
        config.application_name("holdfast embedded");
        config
            .connect(postgres::NoTls)
            .map_err(|source| Error::Sql { doing: "connect as the administrator".to_owned(), source })
    }

    /// Runs statements, separated by semicolons, as the administrator.
    ///
    /// # Errors
    /// [`Sql`](Error::Sql) with the statements up to the first password, and the server's error.
    pub fn execute(&self, statements: &str) -> Result<(), Error> {
        self.connect()?.batch_execute(statements).map_err(|source| {
            // What follows the word would be the password itself.
            let secret = statements.to_ascii_uppercase().find("PASSWORD");
            let shown = secret.map_or(statements, |at| &statements[..at]);
            Error::Sql { doing: shown.to_owned(), source }
        })
    }

    // ---- stopping and starting ----

    /// Tells it to stop and waits until it has. Stopped already, it stays so; [frozen](Self::freeze), it does not hear.
    ///
    /// # Errors
    /// [`NotStopped`](Error::NotStopped) after 60 s; [`Io`](Error::Io) when the signal cannot be sent.
    pub fn stop(&self, mode: StopMode) -> Result<(), Error> {
        self.stop_within(mode, STOP_LIMIT)
    }

    /// [`stop`](Self::stop) with a limit of your own, for example to see a smart stop wait for a client.
    ///
    /// # Errors
    /// [`NotStopped`](Error::NotStopped) after `limit`; [`Io`](Error::Io) when the signal cannot be sent.
    pub fn stop_within(&self, mode: StopMode, limit: Duration) -> Result<(), Error> {
        let mut postmaster = self.postmaster.lock();
        let Some(child) = postmaster.as_mut() else {
            return Ok(());
        };
        signal(pid_of(child), mode.signal())?;
        if wait_for_exit(child, limit)?.is_none() {
            return Err(Error::NotStopped {
                what: format!("the server did not stop ({mode:?}) within {limit:?}"),
            });
        }
        *postmaster = None;
        Ok(())
    }

    /// Tells it to stop without waiting for that: with [`StopMode::Smart`] and a client that stays, it then answers
    /// newcomers "the database system is shutting down" (57P03).
    ///
    /// # Errors
    /// [`Misuse`](Error::Misuse) when it does not run; [`Io`](Error::Io) when the signal cannot be sent.
    pub fn begin_stop(&self, mode: StopMode) -> Result<(), Error> {
        signal(self.running_postmaster()?, mode.signal())
    }

    /// Starts it again after a stop, on the same port and data, and waits until it takes connections.
    ///
    /// # Errors
    /// [`Misuse`](Error::Misuse) when it runs already; [`NotReady`](Error::NotReady) with its log; [`Io`](Error::Io).
    pub fn start_again(&self) -> Result<(), Error> {
        let mut postmaster = self.postmaster.lock();
        if let Some(child) = postmaster.as_mut()
            && child.try_wait().map_err(Error::io("look after the server"))?.is_none()
        {
            return Err(Error::Misuse("the server runs already".to_owned()));
        }
        *postmaster = Some(self.launch.start()?);
        Ok(())
    }

    /// Stops the server fast, and starts it.
    ///
    /// # Errors
    /// As for [`stop`](Self::stop) and [`start_again`](Self::start_again).
    pub fn restart(&self) -> Result<(), Error> {
        self.stop(StopMode::Fast)?;
        self.start_again()
    }

    /// Kills every process of it with `SIGKILL`, as the kernel does when memory is out. [`start_again`](Self::start_again)
    /// goes through crash recovery.
    ///
    /// # Errors
    /// [`NotStopped`](Error::NotStopped) when processes outlive `SIGKILL`; [`Io`](Error::Io) when the signal cannot be sent.
    pub fn crash(&self) -> Result<(), Error> {
        let mut postmaster = self.postmaster.lock();
        self.launch.kill_all(postmaster.take())
    }

    /// Returns whether its postmaster lives.
    pub fn is_running(&self) -> bool {
        self.postmaster_pid().is_some()
    }

    /// Makes it read its configuration files again. It does so soon, not at once.
    ///
    /// # Errors
    /// [`Misuse`](Error::Misuse) when it does not run; [`Io`](Error::Io) when the signal cannot be sent.
    pub fn reload(&self) -> Result<(), Error> {
        signal(self.running_postmaster()?, Signal::HUP)
    }

    /// Makes a standby a primary.
    ///
    /// # Errors
    /// [`Sql`](Error::Sql) when it is no standby, or does not run.
    pub fn promote(&self) -> Result<(), Error> {
        self.execute("SELECT pg_promote(true, 60)")
    }

    /// Changes settings and makes the server read them. Those that need a [`restart`](Self::restart) wait for one.
    ///
    /// # Errors
    /// [`Io`](Error::Io) when the file cannot be written or the signal not be sent.
    pub fn change_settings(&self, settings: &[(&str, &str)]) -> Result<(), Error> {
        let lines: String = settings.iter().map(|(name, value)| setting(name, value)).collect();
        self.launch.settings.append(&lines)?;
        self.reload_if_running()
    }

    /// Replaces `pg_hba.conf` and makes the server read it.
    ///
    /// # Errors
    /// As for [`change_settings`](Self::change_settings).
    pub fn change_hba(&self, lines: &[&str]) -> Result<(), Error> {
        let lines: Vec<String> = lines.iter().map(|&line| line.to_owned()).collect();
        self.launch.settings.write_hba(&lines)?;
        self.reload_if_running()
    }

    /// Gives it another certificate, for connections made from now on; switches TLS on if it was off.
    ///
    /// # Errors
    /// [`Io`](Error::Io) when a file cannot be copied; else as for [`change_settings`](Self::change_settings).
    pub fn change_tls(&self, files: &TlsFiles) -> Result<(), Error> {
        self.launch.settings.install_tls(files)?;
        self.change_settings(&[("ssl", "on")])
    }

    fn reload_if_running(&self) -> Result<(), Error> {
        if self.is_running() { self.reload() } else { Ok(()) }
    }

    // ---- its processes ----

    /// Returns the process number of the postmaster, if it lives.
    pub fn postmaster_pid(&self) -> Option<i32> {
        let mut postmaster = self.postmaster.lock();
        let child = postmaster.as_mut()?;
        match child.try_wait() {
            Ok(None) => Some(pid_of(child)),
            _ => None,
        }
    }

    /// Returns the numbers of all processes of the server, the postmaster first, then backends and helpers.
    pub fn pids(&self) -> Vec<i32> {
        processes::of_cluster(&self.launch.data(), self.postmaster_pid())
    }

    pub(super) fn running_postmaster(&self) -> Result<i32, Error> {
        self.postmaster_pid().ok_or_else(|| Error::Misuse("the server does not run".to_owned()))
    }
}

impl Drop for EmbeddedPostgres {
    fn drop(&mut self) {
        if !self.launch.workspace.is_ours() {
            return; // A forked child holds a copy of this; the server is its parent's.
        }
        if let Some(child) = self.postmaster.get_mut().take()
            && let Err(error) = self.launch.end(child)
        {
            // The watcher tries again when this process ends.
            log::warn!("could not end the private server in {}: {error}", self.launch.folder.display());
            return;
        }
        if let Err(error) = self.launch.remove() {
            log::warn!("could not remove {}: {error}", self.launch.folder.display());
        }
    }
}

impl fmt::Debug for EmbeddedPostgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedPostgres")
            .field("host", &self.launch.host)
            .field("port", &self.launch.port)
            .field("folder", &self.launch.folder)
            .finish_non_exhaustive()
    }
}
