//! What was found.

use std::fmt;
use std::time::Duration;

use super::verify::Check;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verdict {
    /// Everything it claims was measured to be so.
    Passed,
    /// Something was not so, or could not be measured.
    Failed,
    /// It was not run; the finding says why.
    Skipped,
}

impl Verdict {
    /// The verdict's stable name.
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
    /// What was measured, in snake case; unique within a check.
    pub name: &'static str,
    /// How much.
    pub value: f64,
    /// Of what: `ms`, `connections`, `per second`, ...
    pub unit: &'static str,
}

/// What one check found.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CheckReport {
    /// The check.
    pub check: &'static Check,
    /// How it ended.
    pub verdict: Verdict,
    /// One line: what was measured, or why it was not run.
    pub finding: String,
    /// What was not as it should be; not empty if it failed.
    pub complaints: Vec<String>,
    /// The numbers behind the finding.
    pub figures: Vec<Figure>,
    /// How long it took.
    pub took: Duration,
}

/// What all checks found.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Report {
    /// The server, without secrets.
    pub target: String,
    /// Whether it was a private server.
    pub private: bool,
    /// Every check, in order.
    pub checks: Vec<CheckReport>,
    /// How long it all took.
    pub took: Duration,
}

impl Report {
    /// Whether every check that applies to this server passed.
    pub fn passed(&self) -> bool {
        self.count(Verdict::Failed) == 0 && self.count(Verdict::Passed) > 0
    }

    /// How many checks ended so.
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
