//! Findings: faults and possible improvements.

/// The severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum FindingSeverity {
    /// It could be better.
    Advice,
    /// It will cause failures.
    Warning,
    /// It causes failures now.
    Critical,
}

impl FindingSeverity {
    /// Returns its stable name in snake case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Advice => "advice",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// A fault or a possible improvement, with evidence and remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The severity of a finding.
    pub severity: FindingSeverity,
    /// A stable name in snake case.
    pub id: &'static str,
    /// A summary in one line.
    pub title: String,
    /// The measurements that show it.
    pub evidence: String,
    /// The recommended action.
    pub remedy: String,
}

impl Finding {
    pub(super) fn new(
        severity: FindingSeverity,
        id: &'static str,
        title: impl Into<String>,
        evidence: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { severity, id, title: title.into(), evidence: evidence.into(), remedy: remedy.into() }
    }

    pub(super) fn critical(
        id: &'static str,
        title: impl Into<String>,
        evidence: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::new(FindingSeverity::Critical, id, title, evidence, remedy)
    }

    pub(super) fn warning(
        id: &'static str,
        title: impl Into<String>,
        evidence: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::new(FindingSeverity::Warning, id, title, evidence, remedy)
    }

    pub(super) fn advice(
        id: &'static str,
        title: impl Into<String>,
        evidence: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::new(FindingSeverity::Advice, id, title, evidence, remedy)
    }
}
