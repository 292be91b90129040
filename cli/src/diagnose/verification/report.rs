//! The results of checks.

use std::fmt;
use std::time::Duration;

use super::verify::Check;
use crate::diagnose::pooler::Pooler;

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verdict {
    /// The claim was measured to be true.
    Passed,
    /// A part of the claim was false, or could not be measured.
    Failed,
    /// It was not run; the finding has the reason.
    Skipped,
}

impl Verdict {
    /// Returns the verdict's stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// A number that a check measured.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Figure {
    /// The name of the measurement, in snake case; unique within a check.
    pub name: &'static str,
    /// The value.
    pub value: f64,
    /// Its unit: `ms`, `connections`, `per second`, ...
    pub unit: &'static str,
}

/// The result of one check, with its measurements.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CheckReport {
    /// The check.
    pub check: &'static Check,
    /// Its result.
    pub verdict: Verdict,
    /// One line: the measurement, or the reason why it was not run.
    pub finding: String,
    /// The parts of the claim that were false; not empty if it failed.
    pub complaints: Vec<String>,
    /// The numbers behind the finding.
    pub figures: Vec<Figure>,
    /// The time it took.
    pub took: Duration,
}

/// The results of all checks.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Report {
    /// The server, without secrets.
    pub target: String,
    /// Whether it was a private server.
    pub private: bool,
    /// What was noticed in between, if anything was.
    pub pooler: Option<Pooler>,
    /// Every check, in order.
    pub checks: Vec<CheckReport>,
    /// The time that all checks took.
    pub took: Duration,
}

impl Report {
    /// Returns whether every check that applies to this server passed.
    pub fn passed(&self) -> bool {
        self.count(Verdict::Failed) == 0 && self.count(Verdict::Passed) > 0
    }

    /// Returns the number of checks with this result.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.checks.iter().filter(|c| c.verdict == verdict).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for check in &self.checks {
            writeln!(f, "{}: {}: {}", check.check.title, check.verdict.name(), check.finding)?;
            for complaint in &check.complaints {
                writeln!(f, "  {complaint}")?;
            }
        }
        Ok(())
    }
}
