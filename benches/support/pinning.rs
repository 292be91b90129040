//! Client and server on one CPU, and back.
//!
//! On one CPU a round trip is the work of both sides and nothing else: no core has to be woken, and the figures repeat to
//! within a few percent. On several it is what a user sees, with the scheduler's humours in it.

use std::fs;

use holdfast_testkit::embedded::EmbeddedPostgres;
use rustix::io::Errno;
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::Outcome;

/// While it lives, this process and the server run on one CPU.
pub struct OneCpu<'a> {
    server: &'a EmbeddedPostgres,
    before: CpuSet,
}

impl<'a> OneCpu<'a> {
    pub fn with(server: &'a EmbeddedPostgres) -> Outcome<Self> {
        let before = sched_getaffinity(None)?;
        // The last one: the first handles most interrupts.
        let last = (0..CpuSet::MAX_CPU).rev().find(|cpu| before.is_set(*cpu)).ok_or("no CPU to run on")?;
        let mut one = CpuSet::new();
        one.set(last);
        let pinned = Self { server, before };
        confine(server, &one)?;
        Ok(pinned)
    }
}

impl Drop for OneCpu<'_> {
    fn drop(&mut self) {
        if let Err(e) = confine(self.server, &self.before) {
            eprintln!("could not give the CPUs back, the figures that follow are of one CPU: {e}");
        }
    }
}

/// Confines every thread of this process and of the server. Those started later inherit it, new backends from the
/// postmaster.
fn confine(server: &EmbeddedPostgres, cpus: &CpuSet) -> Outcome<()> {
    let mut threads = threads_of("self")?;
    for pid in server.pids() {
        // A backend of a connection just closed may be gone by now.
        threads.extend(threads_of(&pid.to_string()).unwrap_or_default());
    }
    for thread in threads {
        match sched_setaffinity(Some(thread), cpus) {
            Ok(()) | Err(Errno::SRCH) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}

fn threads_of(process: &str) -> Outcome<Vec<Pid>> {
    let mut threads = Vec::new();
    for entry in fs::read_dir(format!("/proc/{process}/task"))? {
        let name = entry?.file_name();
        threads.extend(name.to_str().and_then(|n| n.parse().ok()).and_then(Pid::from_raw));
    }
    Ok(threads)
}
