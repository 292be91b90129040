//! What the measurements share: peers, rounds, threads, pinning, child processes, reports.

pub mod capi;
pub mod children;
pub mod crowd;
pub mod json;
pub mod libpq;
pub mod options;
pub mod pinning;
pub mod procfs;
pub mod report;
pub mod rounds;
pub mod subjects;

/// What can go wrong here ends the run; nobody handles it.
pub type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;
