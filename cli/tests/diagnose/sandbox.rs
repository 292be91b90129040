//! A process that may open no sockets but local ones, as systemd's `RestrictAddressFamilies=AF_UNIX` makes it.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::support::server;
use crate::{program, program_of};

/// From here on `socket(2)` knows local sockets only.
#[cfg(all(target_os = "linux", target_endian = "little"))]
fn allow_local_sockets_only() -> io::Result<()> {
    // <linux/filter.h>, <linux/seccomp.h>: the system call's number is at 0 of its description, its first argument at 16.
    const LOAD: u16 = 0x20;
    const IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    const ALLOW: u32 = 0x7fff_0000;
    const FAIL: u32 = 0x0005_0000;
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let steps = [
        step(LOAD, 0, 0, 0),
        step(IF_EQUAL, 0, 3, libc::SYS_socket as u32),
        step(LOAD, 0, 0, 16),
        step(IF_EQUAL, 1, 0, libc::AF_UNIX as u32),
        step(RETURN, 0, 0, FAIL | libc::EAFNOSUPPORT as u32),
        step(RETURN, 0, 0, ALLOW),
    ];
    let filter = libc::sock_fprog { len: steps.len() as u16, filter: steps.as_ptr().cast_mut() };
    // SAFETY: both calls change this process alone; the filter is a valid program that lives until the call returns.
    let done = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const filter) == 0
    };
    if done { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[test]
#[cfg(all(target_os = "linux", target_endian = "little"))]
fn a_local_server_is_reached_where_no_other_sockets_are_allowed() {
    let run = |mut command: Command| {
        // SAFETY: the filter is made of constants, and what is called between fork and exec takes no lock.
        unsafe { command.pre_exec(allow_local_sockets_only) };
        command.output().unwrap()
    };
    let local = run(program(&["--url", &server().socket_url()]));
    let said = String::from_utf8_lossy(&local.stdout).into_owned();
    assert!(said.contains("max_connections") || local.status.success(), "{said} {local:?}");
    // A pool as programs have it: it opens, validates and closes connections, by several threads.
    let pool = run(program_of("verify", &["--url", &server().socket_url()]));
    // Its check of retries needs a port of the network, on which no process listens.
    let said = String::from_utf8_lossy(&pool.stdout).into_owned();
    for check in ["8 of 8 concurrent", "15 of 15 rapid", "idle lets go"] {
        let passed = said.lines().any(|line| line.starts_with(check) && line.contains(" passed "));
        assert!(passed, "{check}: {pool:?}");
    }
    // The filter does what it is for.
    let remote = run(program(&["--url", &server().url()]));
    // Lines are broken where they are full.
    let said = String::from_utf8_lossy(&remote.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("Address family not"), "{remote:?}");
    assert_eq!(remote.status.code(), Some(3), "{remote:?}");
}
