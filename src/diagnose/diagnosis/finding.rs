//! Something that is wrong, or could be better.

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum FindingSeverity {
    /// Could be better.
    Advice,
    /// Will make trouble.
    Warning,
    /// Makes trouble now.
    Critical,
}

impl FindingSeverity {
    /// Its stable name in snake case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Advice => "advice",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// Something that is wrong, or could be better, with what shows it and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// How bad it is.
    pub severity: FindingSeverity,
    /// A stable name in snake case.
    pub id: &'static str,
    /// In one line.
    pub title: String,
    /// The figures that show it.
    pub evidence: String,
    /// What to do, in words that can be followed.
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
