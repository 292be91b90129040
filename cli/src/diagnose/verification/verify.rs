//! The plan: which checks there are, and running them in order.

use std::fmt;
use std::time::Instant;

use holdfast::Pool;
use holdfast_testkit::embedded::EmbeddedPostgres;

use super::evidence::{Evidence, Finding};
use super::report::{CheckReport, Report, Verdict};
use super::target::Subject;
use super::{checks, scenarios};
use crate::diagnose::pooler::Pooler;

/// A check: a claim, and its test.
pub struct Check {
    /// Its stable name in snake case.
    pub name: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// The claim that is tested.
    pub claim: &'static str,
    kind: Kind,
}

/// The effect that a check may have on the server.
enum Kind {
    /// None that other clients would notice.
    Harmless(fn(&Subject, &mut Evidence<'_>) -> Finding),
    /// Any, so it must be a private one.
    Scene(fn(&Subject, &EmbeddedPostgres, &mut Evidence<'_>) -> Finding),
}

impl Check {
    /// Returns whether it disturbs the server, and so runs only on a private one.
    pub fn is_scene(&self) -> bool {
        matches!(self.kind, Kind::Scene(_))
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check").field("name", &self.name).field("is_scene", &self.is_scene()).finish()
    }
}

/// Every check, in the order in which they are run.
pub static CHECKS: &[Check] = &[
    Check {
        name: "connection",
        title: "basic connection",
        claim: "a pool that has opened nothing yet opens a connection and answers",
        kind: Kind::Harmless(checks::connection),
    },
    Check {
        name: "retry",
        title: "retry",
        claim: "a failed connect is tried again after growing waits; the error tells every attempt",
        kind: Kind::Harmless(checks::retry),
    },
    Check {
        name: "concurrent",
        title: "8 of 8 concurrent",
        claim: "8 callers at once are all served by a pool of 5, over at most 5 connections",
        kind: Kind::Harmless(checks::concurrent),
    },
    Check {
        name: "rapid",
        title: "15 of 15 rapid",
        claim: "15 requests one right after the other are all served, over one connection",
        kind: Kind::Harmless(checks::rapid),
    },
    Check {
        name: "queries",
        title: "typical queries",
        claim: "parameters, NULL, transactions, many rows and an error behave as they should",
        kind: Kind::Harmless(checks::queries),
    },
    Check {
        name: "statistics",
        title: "statistics",
        claim: "the pool's figures agree with what was done, at every moment",
        kind: Kind::Harmless(checks::statistics),
    },
    Check {
        name: "lets_go",
        title: "idle lets go",
        claim: "an idle connection is closed when its time is up, not before, at most 1 s later",
        kind: Kind::Harmless(checks::lets_go),
    },
    Check {
        name: "server_full",
        title: "server full",
        claim: "nobody fails while other clients hold every slot for 2 s (53300)",
        kind: Kind::Scene(scenarios::server_full),
    },
    Check {
        name: "restart",
        title: "restart",
        claim: "a restart in the middle of traffic costs no more than the statements that were running",
        kind: Kind::Scene(scenarios::restart),
    },
    Check {
        name: "frozen",
        title: "frozen server",
        claim: "a server that hangs holds no caller past its deadline, and is used again once it goes on",
        kind: Kind::Scene(scenarios::frozen),
    },
    Check {
        name: "leaked_transaction",
        title: "leaked transaction",
        claim: "what one caller leaves open does not swallow what the next one does",
        kind: Kind::Scene(scenarios::leaked_transaction),
    },
];

/// An observer of a verification. All methods have an empty default.
pub trait Observer {
    /// A check begins.
    fn begins(&mut self, _check: &'static Check) {}
    /// The present step of the check that has begun.
    fn tells(&mut self, _story: &str) {}
    /// A check has ended, or was skipped without having begun.
    fn ends(&mut self, _report: &CheckReport) {}
}

/// An observer that does nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {}

/// Runs every check that the subject allows. When not even the first gets a connection, the rest is skipped.
pub fn verify(subject: &Subject, observer: &mut dyn Observer) -> Report {
    let started = Instant::now();
    let mut checks = Vec::with_capacity(CHECKS.len());
    let mut unreachable = false;
    for (index, check) in CHECKS.iter().enumerate() {
        let report = if unreachable {
            skipped(check, "not run: there is no connection to the server")
        } else {
            run(check, subject, observer)
        };
        unreachable |= index == 0 && report.verdict == Verdict::Failed;
        observer.ends(&report);
        checks.push(report);
    }
    let pool = subject.pool(1).ok();
    let is_private = subject.server().is_some();
    // Between a private server and its checks there is nothing.
    let asked = pool.as_ref().filter(|_| !unreachable && !is_private);
    Report {
        target: pool.as_ref().map(Pool::target).unwrap_or_default(),
        private: is_private,
        pooler: asked.and_then(|pool| Pooler::between(pool).ok().flatten()),
        checks,
        took: started.elapsed(),
    }
}

fn skipped(check: &'static Check, why: &str) -> CheckReport {
    CheckReport {
        check,
        verdict: Verdict::Skipped,
        finding: why.to_owned(),
        complaints: Vec::new(),
        figures: Vec::new(),
        took: Default::default(),
    }
}

fn run(check: &'static Check, subject: &Subject, observer: &mut dyn Observer) -> CheckReport {
    let started = Instant::now();
    let (finding, evidence) = match (&check.kind, subject.server()) {
        (Kind::Scene(_), None) => {
            return skipped(check, "not run: it would disturb your server, so it needs a private one");
        }
        (Kind::Harmless(work), _) => {
            observer.begins(check);
            let mut evidence = Evidence::new(observer);
            (work(subject, &mut evidence), evidence)
        }
        (Kind::Scene(work), Some(server)) => {
            observer.begins(check);
            let mut evidence = Evidence::new(observer);
            (work(subject, server, &mut evidence), evidence)
        }
    };
    let Evidence { figures, mut complaints, .. } = evidence;
    let finding = finding.unwrap_or_else(|fault| {
        complaints.push(fault.to_string());
        "could not be carried through (see below)".to_owned()
    });
    let verdict = if complaints.is_empty() { Verdict::Passed } else { Verdict::Failed };
    CheckReport { check, verdict, finding, complaints, figures, took: started.elapsed() }
}
