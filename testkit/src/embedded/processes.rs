//! The processes of one cluster, and signals for them.
//!
//! PostgreSQL's processes all stand in their data folder, which is ours alone. That tells them from other servers, a number used
//! again included, and finds backends that outlived their postmaster. Not everything that stands there is the server's: somebody
//! may have gone there to look. What counts is the program `postgres`, and what that has started. Where there is no `/proc`, the
//! postmaster and its children, as `ps` lists them, have to do.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long processes get to stop in their tracks. The kernel needs microseconds; a loaded machine needs patience.
const FREEZE_LIMIT: Duration = Duration::from_secs(10);

/// Every live process of the cluster in `data`, the postmaster (if it lives) first.
pub(super) fn of_cluster(data: &Path, postmaster: Option<i32>) -> Vec<i32> {
    let mut found =
        if Path::new("/proc/self/stat").exists() { standing_in(data) } else { children_of(postmaster) };
    // The postmaster first: once it is stopped, no backend is started behind our back.
    found.sort_by_key(|&pid| (Some(pid) != postmaster, pid));
    found
}

fn standing_in(data: &Path) -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let here = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid: &i32| fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == data));
    let (mut own, mut others): (Vec<i32>, Vec<i32>) = here.partition(|&pid| runs_postgres(pid));
    loop {
        let is_child = |pid: &i32| parent_of(*pid).is_some_and(|parent| own.contains(&parent));
        let (children, rest): (Vec<i32>, Vec<i32>) = others.into_iter().partition(is_child);
        if children.is_empty() {
            return own;
        }
        own.extend(children);
        others = rest;
    }
}

/// By the name of its program, which some systems wrap (`.postgres-wrapped`) and an upgrade marks (`postgres (deleted)`).
fn runs_postgres(pid: i32) -> bool {
    let program = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
    program.file_name().is_some_and(|name| name.to_string_lossy().contains("postgres"))
}

fn parent_of(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may itself hold brackets and spaces; behind the last one come the state and the parent.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

fn children_of(postmaster: Option<i32>) -> Vec<i32> {
    let Some(postmaster) = postmaster else {
        return Vec::new();
    };
    let listing = Command::new("ps").args(["-A", "-o", "pid=", "-o", "ppid="]).output();
    let listing =
        listing.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    listing
        .lines()
        .filter_map(|line| {
            let mut columns = line.split_whitespace().map(str::parse::<i32>);
            Some((columns.next()?.ok()?, columns.next()?.ok()?))
        })
        .filter(|&(pid, parent)| pid == postmaster || parent == postmaster)
        .map(|(pid, _)| pid)
        .collect()
}

/// Sends `signal`; a process that is gone already is no failure.
pub(super) fn send(pid: i32, signal: Signal) -> io::Result<()> {
    let Some(pid) = Pid::from_raw(pid).filter(|pid| pid.as_raw_nonzero().get() > 1) else {
        // 0 and negative numbers mean groups of processes, ours among them, and 1 is not ours to signal.
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{pid} is not a process of a server"),
        ));
    };
    match kill_process(pid, signal) {
        Err(rustix::io::Errno::SRCH) => Ok(()),
        other => Ok(other?),
    }
}

/// Stops every process of the cluster in its tracks, and returns once none of them runs any more.
pub(super) fn freeze(data: &Path, postmaster: Option<i32>) -> io::Result<()> {
    let deadline = Instant::now() + FREEZE_LIMIT;
    loop {
        // Again from the top until all are still: a backend may have been started before the postmaster stopped.
        let moving: Vec<i32> =
            of_cluster(data, postmaster).into_iter().filter(|&pid| !is_stopped(pid)).collect();
        if moving.is_empty() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("processes {moving:?} did not stop"),
            ));
        }
        for pid in moving {
            send(pid, Signal::STOP)?;
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// Lets every process of the cluster go on.
pub(super) fn thaw(data: &Path, postmaster: Option<i32>) -> io::Result<()> {
    of_cluster(data, postmaster).into_iter().try_for_each(|pid| send(pid, Signal::CONT))
}

/// Stops one process in its tracks, and returns once it no longer runs.
pub(super) fn freeze_one(pid: i32) -> io::Result<()> {
    let deadline = Instant::now() + FREEZE_LIMIT;
    send(pid, Signal::STOP)?;
    while !is_stopped(pid) {
        if Instant::now() >= deadline {
            return Err(io::Error::new(io::ErrorKind::TimedOut, format!("process {pid} did not stop")));
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Whether a process is stopped, or gone: either way it does nothing.
fn is_stopped(pid: i32) -> bool {
    let state = match fs::read_to_string(format!("/proc/{pid}/stat")) {
        // The name in brackets may itself hold brackets and spaces, so the state is what follows the last one.
        Ok(stat) => stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next()),
        Err(_) if Path::new("/proc/self/stat").exists() => None,
        Err(_) => {
            let output = Command::new("ps").args(["-o", "stat=", "-p", &pid.to_string()]).output().ok();
            output.and_then(|output| String::from_utf8_lossy(&output.stdout).trim_start().chars().next())
        }
    };
    matches!(state, None | Some('T' | 't' | 'Z' | 'X'))
}
