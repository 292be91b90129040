//! What the kernel knows about this process.

use std::fs;
use std::ops::Sub;

use super::Outcome;

/// What a process holds at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Holdings {
    pub memory_kib: f64,
    pub descriptors: f64,
    pub threads: f64,
}

impl Holdings {
    pub fn now() -> Outcome<Self> {
        Ok(Self {
            // `VmRSS` of `status` is a sum of per-CPU counters that may be off by hundreds of KiB; this one is counted.
            memory_kib: kib_of("/proc/self/smaps_rollup", "Rss:")?,
            // Reading the folder opens one more, each time alike.
            descriptors: fs::read_dir("/proc/self/fd")?.count() as f64,
            threads: fs::read_dir("/proc/self/task")?.count() as f64,
        })
    }

    /// The equal share of each of `n`.
    pub fn split(self, n: f64) -> Self {
        Self { memory_kib: self.memory_kib / n, descriptors: self.descriptors / n, threads: self.threads / n }
    }
}

impl Sub for Holdings {
    type Output = Self;
    fn sub(self, before: Self) -> Self {
        Self {
            memory_kib: self.memory_kib - before.memory_kib,
            descriptors: self.descriptors - before.descriptors,
            threads: self.threads - before.threads,
        }
    }
}

/// The most memory this process ever had resident.
pub fn peak_memory_kib() -> Outcome<f64> {
    kib_of("/proc/self/status", "VmHWM:")
}

/// Processes that ran or wanted to, averaged over the last minute.
pub fn load() -> Outcome<f64> {
    let text = fs::read_to_string("/proc/loadavg")?;
    Ok(text.split_whitespace().next().unwrap_or_default().parse()?)
}

fn kib_of(file: &str, key: &str) -> Outcome<f64> {
    let text = fs::read_to_string(file)?;
    let line =
        text.lines().find_map(|line| line.strip_prefix(key)).ok_or_else(|| format!("{file} has no {key}"))?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}
