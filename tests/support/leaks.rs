//! The descriptors and threads of this process, as the kernel counts them.
//!
//! A count is only worth something when nothing else runs in the process, so a leak test belongs in a file of its own, or
//! in a process of its own (`cargo nextest` gives every test one).

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

/// How many descriptors and threads this process has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    pub descriptors: usize,
    pub threads: usize,
}

/// The count of now.
pub fn held() -> Held {
    // Reading the folder takes a descriptor, which is in the list.
    let descriptors = fs::read_dir("/proc/self/fd").unwrap().count() - 1;
    let threads = fs::read_dir("/proc/self/task").unwrap().count();
    Held { descriptors, threads }
}

/// Describes the open descriptors (`socket:[1234]`, a path), for the message of a failed leak test.
pub fn open_descriptors() -> Vec<String> {
    let links = fs::read_dir("/proc/self/fd").unwrap().flatten();
    let mut names: Vec<String> =
        links.filter_map(|link| Some(fs::read_link(link.path()).ok()?.display().to_string())).collect();
    names.sort();
    names
}

/// The names of the threads.
pub fn thread_names() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    let names = tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
    let mut names: Vec<String> = names.map(|name| name.trim().to_owned()).collect();
    names.sort();
    names
}

/// Waits until no more is held than `before`: threads need a moment to end after they were told to.
#[track_caller]
pub fn wait_until_no_more_than(before: Held, limit: Duration) {
    let deadline = Instant::now() + limit;
    loop {
        let now = held();
        if now.descriptors <= before.descriptors && now.threads <= before.threads {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{now:?} instead of {before:?} after {limit:?}: descriptors {:?}, threads {:?}",
            open_descriptors(),
            thread_names(),
        );
        thread::sleep(Duration::from_millis(2));
    }
}
