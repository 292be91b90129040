//! Faults that happen to servers: hanging, and losing sessions. (Stopping and crashing are in `server.rs`.)

use rustix::process::Signal;

use super::error::Error;
use super::launch::signal;
use super::processes;
use super::server::EmbeddedPostgres;

impl EmbeddedPostgres {
    /// Stops every process of the server in its tracks (`SIGSTOP`). The kernel goes on accepting connections for it, so
    /// clients see what they see of a machine that hangs. Returns once nothing of it runs.
    ///
    /// # Errors
    /// [`Misuse`](Error::Misuse) when the server does not run; [`Io`](Error::Io) when the signal cannot be sent.
    pub fn freeze(&self) -> Result<(), Error> {
        let postmaster = self.running_postmaster()?;
        processes::freeze(&self.launch.data(), Some(postmaster)).map_err(Error::io("freeze the server"))
    }

    /// Lets a frozen server go on.
    ///
    /// # Errors
    /// [`Misuse`](Error::Misuse) when the server does not run; [`Io`](Error::Io) when the signal cannot be sent.
    pub fn thaw(&self) -> Result<(), Error> {
        let postmaster = self.running_postmaster()?;
        processes::thaw(&self.launch.data(), Some(postmaster)).map_err(Error::io("thaw the server"))
    }

    /// Stops one backend in its tracks, as told by `pg_backend_pid()`.
    ///
    /// # Errors
    /// [`Misuse`](Error::Misuse) when `pid` is no backend of this server; [`Io`](Error::Io) when the signal cannot be sent.
    pub fn freeze_backend(&self, pid: i32) -> Result<(), Error> {
        self.own_backend(pid)?;
        processes::freeze_one(pid).map_err(Error::io(format!("freeze backend {pid}")))
    }

    /// Lets a frozen backend go on.
    ///
    /// # Errors
    /// [`Misuse`](Error::Misuse) when `pid` is no backend of this server; [`Io`](Error::Io) when the signal cannot be sent.
    pub fn thaw_backend(&self, pid: i32) -> Result<(), Error> {
        self.own_backend(pid)?;
        signal(pid, Signal::CONT)
    }

    /// Ends one session in order, as `pg_terminate_backend` does (57P01).
    ///
    /// # Errors
    /// [`Misuse`](Error::Misuse) when `pid` is no backend of this server; [`Io`](Error::Io) when the signal cannot be sent.
    pub fn terminate_backend(&self, pid: i32) -> Result<(), Error> {
        self.own_backend(pid)?;
        signal(pid, Signal::TERM)
    }

    /// Kills one backend with `SIGKILL`. The server takes that for a crash: it ends all other sessions, recovers, and takes
    /// connections again after that.
    ///
    /// # Errors
    /// [`Misuse`](Error::Misuse) when `pid` is no backend of this server; [`Io`](Error::Io) when the signal cannot be sent.
    pub fn kill_backend(&self, pid: i32) -> Result<(), Error> {
        self.own_backend(pid)?;
        signal(pid, Signal::KILL)
    }

    /// A number out of an old list may belong to anybody by now, so only the server's own children are touched.
    fn own_backend(&self, pid: i32) -> Result<(), Error> {
        let postmaster = self.running_postmaster()?;
        if pid != postmaster && self.pids().contains(&pid) {
            return Ok(());
        }
        Err(Error::Misuse(format!("process {pid} is not a backend of this server")))
    }
}
