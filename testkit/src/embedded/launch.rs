//! The processes and files of a private server: started, waited for, ended, removed.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::{Child, ExitStatus};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::binaries::Binaries;
use super::error::Error;
use super::files;
use super::processes;
use super::settings::Settings;
use super::user::ServerUser;
use super::workspace::Workspace;

/// A start takes 30 ms; the limit allows for a machine on which a hundred are started at once.
const START_LIMIT: Duration = Duration::from_secs(60);
/// The time that a drop allows an immediate shutdown before it kills. PostgreSQL itself kills its backends after 5 s.
const DROP_LIMIT: Duration = Duration::from_secs(8);
/// The interval at which a wait polls.
const TICK: Duration = Duration::from_millis(2);

/// The processes and files of a server, to start it the first time and again.
pub(super) struct Launch {
    pub(super) workspace: Arc<Workspace>,
    pub(super) binaries: Binaries,
    /// Holds `data` and the socket, and belongs to the server's user: nothing in it is opened or written by us (see `files.rs`).
    pub(super) folder: PathBuf,
    pub(super) settings: Arc<Settings>,
    pub(super) port: u16,
    pub(super) host: String,
    /// The password of `postgres`, and of all roles that have none of their own.
    pub(super) password: String,
    /// Roles with a password of their own.
    pub(super) roles: Vec<(String, String)>,
}

impl Launch {
    pub(super) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn log_file(&self) -> PathBuf {
        self.folder.with_extension("log")
    }

    /// Tells the watcher which process to end first.
    fn pid_file(&self) -> PathBuf {
        self.folder.with_extension("pid")
    }

    pub(super) fn log(&self) -> String {
        fs::read(self.log_file()).map(|log| String::from_utf8_lossy(&log).into_owned()).unwrap_or_default()
    }

    /// Starts the postmaster and waits until it takes connections.
    pub(super) fn start(&self) -> Result<Child, Error> {
        let log = files::open_log(&self.log_file()).map_err(Error::io("open the server's log"))?;
        let for_errors = log.try_clone().map_err(Error::io("open the server's log"))?;
        let mut postgres = self.workspace.command(&self.binaries, "postgres");
        // The port on the command line, so that another one can be tried without writing the file again.
        postgres
            .arg("-D")
            .arg(self.data())
            .arg("-c")
            .arg(format!("config_file={}", self.settings.file().display()))
            .args(["-p", &self.port.to_string()])
            .stdout(log)
            .stderr(for_errors);
        let mut child = postgres.spawn().map_err(Error::io(format!("run {:?}", postgres.get_program())))?;
        let told = files::write(&self.pid_file(), format!("{}\n", child.id()).as_bytes(), ServerUser::Myself)
            .map_err(Error::io("write the number of the server's process"));
        match told.and_then(|()| self.wait_until_ready(&mut child)) {
            Ok(()) => Ok(child),
            Err(error) => {
                self.kill_all(Some(child))?;
                Err(error)
            }
        }
    }

    /// Waits for the word `ready` in the eighth line of `postmaster.pid`, as `pg_ctl` does: unlike a connection, that takes
    /// no slot and leaves nothing in the log.
    fn wait_until_ready(&self, child: &mut Child) -> Result<(), Error> {
        /// Line numbers, from 0, as in PostgreSQL's `pidfile.h`.
        const PID_LINE: usize = 0;
        const STATUS_LINE: usize = 7;
        let pid = child.id().to_string();
        let deadline = Instant::now() + START_LIMIT;
        loop {
            if let Some(status) = child.try_wait().map_err(Error::io("look after the server"))? {
                return Err(Error::NotReady {
                    what: format!("the server ended at start ({status})"),
                    log: self.log(),
                });
            }
            let text = files::read_below(&self.folder, ["data", "postmaster.pid"]).unwrap_or_default();
            let line = |number| text.lines().nth(number).map(str::trim);
            // The number tells this start's file from one that a crash has left behind.
            if line(PID_LINE) == Some(&pid) && matches!(line(STATUS_LINE), Some("ready" | "standby")) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let what = format!("the server was not ready within {START_LIMIT:?}");
                return Err(Error::NotReady { what, log: self.log() });
            }
            thread::sleep(TICK);
        }
    }

    /// Kills whatever is left of the server, its postmaster (`child`) first.
    pub(super) fn kill_all(&self, child: Option<Child>) -> Result<(), Error> {
        let postmaster = child.as_ref().map(pid_of);
        for pid in processes::of_cluster(&self.data(), postmaster) {
            signal(pid, Signal::KILL)?;
        }
        if let Some(mut child) = child {
            child.kill().and_then(|()| child.wait()).map_err(Error::io("wait for the server's end"))?;
        }
        // Backends are the postmaster's children, not ours, so they cannot be waited for; they must be gone before the
        // data is removed or used again.
        let deadline = Instant::now() + DROP_LIMIT;
        while !processes::of_cluster(&self.data(), None).is_empty() {
            if Instant::now() >= deadline {
                return Err(Error::NotStopped {
                    what: "processes of the server outlived SIGKILL".to_owned(),
                });
            }
            thread::sleep(TICK);
        }
        Ok(())
    }

    /// Removes everything of the server.
    pub(super) fn remove(&self) -> io::Result<()> {
        fs::remove_dir_all(&self.folder)?;
        self.settings.remove()?;
        fs::remove_file(self.log_file())?;
        fs::remove_file(self.pid_file())
    }

    /// An immediate shutdown, which unlike a kill gives shared memory back; then a kill of what is left.
    pub(super) fn end(&self, mut child: Child) -> Result<(), Error> {
        // A frozen server would not hear the signal.
        processes::thaw(&self.data(), Some(pid_of(&child))).map_err(Error::io("thaw the server"))?;
        signal(pid_of(&child), Signal::QUIT)?;
        wait_for_exit(&mut child, DROP_LIMIT)?;
        self.kill_all(Some(child))
    }
}

pub(super) fn pid_of(child: &Child) -> i32 {
    // The kernel numbers processes with an `int`; the standard library merely gives it out unsigned.
    i32::try_from(child.id()).unwrap_or(i32::MAX)
}

pub(super) fn signal(pid: i32, signal: Signal) -> Result<(), Error> {
    processes::send(pid, signal).map_err(Error::io(format!("send {signal:?} to process {pid}")))
}

pub(super) fn wait_for_exit(child: &mut Child, limit: Duration) -> Result<Option<ExitStatus>, Error> {
    let deadline = Instant::now() + limit;
    loop {
        let status: io::Result<Option<ExitStatus>> = child.try_wait();
        let status = status.map_err(Error::io("wait for the server's end"))?;
        if status.is_some() || Instant::now() >= deadline {
            return Ok(status);
        }
        thread::sleep(TICK);
    }
}
