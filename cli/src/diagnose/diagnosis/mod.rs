//! Examining a database as a pool meets it: can it be reached, who has its slots, what is wrong, and what to do.
//!
//! ```no_run
//! use holdfast::PoolConfig;
//! use holdfast_cli::diagnose::{Questions, examine};
//!
//! # fn main() -> holdfast::Result<()> {
//! let config = PoolConfig::from_url("postgresql://app@db/orders")?;
//! let examination = examine(&config, &Questions::new(), &mut |step| eprintln!("{step}"))?;
//! for finding in &examination.findings {
//!     println!("{}: {}; {}", finding.severity.name(), finding.title, finding.remedy);
//! }
//! # Ok(()) }
//! ```

mod certificate;
mod expectation;
mod failures;
mod finding;
mod inventory;
mod judgements;
mod own_settings;
mod reach;
mod sessions;

use std::time::Duration;

use holdfast::{PoolConfig, Result};

pub use certificate::Certificate;
pub use expectation::Expectation;
pub use finding::{Finding, FindingSeverity};
pub(super) use inventory::{Answers, identity, limits, literal, name};
pub use inventory::{Identity, Inventory, Limit, Limits};
use own_settings::OwnSettings;
pub use reach::{HostReach, PhaseTime};
pub(super) use sessions::CLIENTS;
pub use sessions::{Blocked, Session, SessionGroup, without_literals};

/// The questions of an examination.
#[must_use = "questions are put by `examine`"]
#[derive(Debug, Clone)]
pub struct Questions {
    pub(super) timeout: Duration,
    pub(super) long: Duration,
    pub(super) processes: u32,
    pub(super) expectations: Vec<Expectation>,
}

impl Questions {
    /// Returns the defaults: 10 s for each host, 5 s for a statement to be long, one process, no expectations.
    pub fn new() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            long: Duration::from_secs(5),
            processes: 1,
            expectations: Vec::new(),
        }
    }

    /// Sets the time limit of connecting to each host, and of each question.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Sets the duration from which on statements, open transactions and waits for locks are reported.
    pub fn long(self, long: Duration) -> Self {
        Self { long, ..self }
    }

    /// Sets the number of processes that have a pool of this configuration.
    pub fn processes(self, processes: u32) -> Self {
        Self { processes, ..self }
    }

    /// Adds a table or column that has to exist.
    pub fn expect(mut self, expectation: Expectation) -> Self {
        self.expectations.push(expectation);
        self
    }
}

impl Default for Questions {
    fn default() -> Self {
        Self::new()
    }
}

/// The result of an examination.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Examination {
    /// The server or servers as configured.
    pub target: String,
    /// The progress of the connection attempt to each host.
    pub hosts: Vec<HostReach>,
    /// The description by the first server that accepted the session; `None` when none did.
    pub inventory: Option<Inventory>,
    /// The faults and possible improvements, the worst first.
    pub findings: Vec<Finding>,
}

impl Examination {
    /// Returns the severity of the worst finding.
    pub fn worst(&self) -> Option<FindingSeverity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }
}

/// Examines the server or servers that a configuration leads to. Opens one connection to each host, one after the other, and
/// only reads. `tell` is called with each step before it is made. Blocks for as long as [`Questions::timeout`] allows for each.
///
/// # Errors
/// [`Config`](holdfast::ErrorKind::Config) or [`Tls`](holdfast::ErrorKind::Tls) if the configuration cannot be used. A server that
/// cannot be reached is no error but a finding.
pub fn examine(
    config: &PoolConfig,
    questions: &Questions,
    tell: &mut dyn FnMut(&str),
) -> Result<Examination> {
    let pool = OwnSettings::of(config)?;
    let mut findings = Vec::new();
    let (hosts, session) = reach::reach(config, questions.timeout, tell)?;
    for host in &hosts {
        findings.extend(failures::of(host));
        findings.extend(judgements::of_transport(host, &pool.sslmode));
    }
    let target = hosts.iter().map(|host| host.name.as_str()).collect::<Vec<_>>().join(",");
    let inventory = session.and_then(|mut session| {
        match inventory::take(&mut session, questions, pool.max_lifetime, tell) {
            Ok(inventory) => Some(inventory),
            Err(error) => {
                findings.push(failures::of_question(&error));
                None
            }
        }
    });
    if let Some(inventory) = &inventory {
        findings.extend(judgements::of(inventory, &pool, questions));
    }
    findings.extend(own_settings::judge(&pool, inventory.as_ref(), questions.processes));
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    Ok(Examination { target, hosts, inventory, findings })
}
