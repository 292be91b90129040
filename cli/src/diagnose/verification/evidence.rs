//! The record of a check while it runs: steps for observers, measurements, and complaints.

use std::fmt;
use std::time::{Duration, Instant};

use holdfast::Error;
use holdfast_testkit::embedded;

use super::report::Figure;
use super::verify::Observer;

/// How a check ends: with one line about what it measured, or because it could not go on.
pub(super) type Finding = Result<String, Fault>;

/// Why a check could not go on.
#[derive(Debug)]
pub(super) struct Fault(String);

impl Fault {
    pub(super) fn new(what: String) -> Self {
        Self(what)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self(error.to_string())
    }
}

impl From<postgres::Error> for Fault {
    fn from(error: postgres::Error) -> Self {
        // The driver's own text is only "db error".
        Error::from(error).into()
    }
}

impl From<embedded::Error> for Fault {
    fn from(error: embedded::Error) -> Self {
        Self(error.to_string())
    }
}

/// The notebook of one check.
pub(super) struct Evidence<'a> {
    observer: &'a mut dyn Observer,
    pub(super) figures: Vec<Figure>,
    pub(super) complaints: Vec<String>,
}

impl<'a> Evidence<'a> {
    pub(super) fn new(observer: &'a mut dyn Observer) -> Self {
        Self { observer, figures: Vec::new(), complaints: Vec::new() }
    }

    /// Says what happens now.
    pub(super) fn tell(&mut self, story: &str) {
        self.observer.tells(story);
    }

    pub(super) fn figure(&mut self, name: &'static str, value: impl Into<f64>, unit: &'static str) {
        self.figures.push(Figure { name, value: value.into(), unit });
    }

    pub(super) fn count(&mut self, name: &'static str, value: usize, unit: &'static str) {
        self.figures.push(Figure { name, value: value as f64, unit });
    }

    pub(super) fn time(&mut self, name: &'static str, took: Duration) {
        self.figure(name, took.as_nanos() as f64 / 1e6, "ms");
    }

    /// Complains unless what the check claims holds.
    pub(super) fn expect(&mut self, holds: bool, complaint: impl FnOnce() -> String) {
        if !holds {
            self.complaints.push(complaint());
        }
    }
}

/// The result of something, and how long it took.
pub(super) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let started = Instant::now();
    let result = work();
    (result, started.elapsed())
}

/// Polls until a condition holds; returns `None` if it does not within `limit`, else the time it took.
pub(super) fn wait_until(limit: Duration, mut holds: impl FnMut() -> bool) -> Option<Duration> {
    let started = Instant::now();
    loop {
        if holds() {
            return Some(started.elapsed());
        }
        if started.elapsed() >= limit {
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
